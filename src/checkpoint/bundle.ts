import { readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isMissing } from '../util/is-missing.js';

/** What containerd's shim for runc started a container with. */
export interface Bundle {
  readonly folder: string;
  /** The text of config.json. */
  readonly config: string;
  /** The OCI runtime's program, as it is looked up on `path`. */
  readonly runtime: string;
  /** PATH of the shim. */
  readonly path: string;
  /** Where the runtime keeps its states (`--root`). */
  readonly stateRoot: string;
  readonly systemdCgroup: boolean;
}

const SHIM = 'containerd-shim-runc-v2';
/** The shim's own, where the Engine names none. */
const DEFAULT_STATE_ROOT = '/run/containerd/runc';

/**
 * The bundle of the container whose first process is `pid`: its parent is the shim, whose working folder it is. Throws an Error
 * with the reason where there is none, as with runtimes that have a shim of another kind, or is not to be seen from here.
 */
export async function findBundle(containerId: string, pid: number, proc = '/proc'): Promise<Bundle> {
  const status = await readFile(join(proc, String(pid), 'status'), 'utf8');
  const shim = join(proc, /^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? '0');
  const [commandLine, environment, folder] = await Promise.all([
    readFile(join(shim, 'cmdline'), 'utf8'),
    readFile(join(shim, 'environ'), 'utf8'),
    readlink(join(shim, 'cwd')),
  ]);
  const words = commandLine.split('\0');
  const [program = ''] = words;
  const namespace = words[words.indexOf('-namespace') + 1] ?? '';
  if (basename(program) !== SHIM || !words.includes(containerId) || basename(folder) !== containerId) {
    throw new Error(`its runtime is not run by ${SHIM} on this node`);
  }
  const [config, options] = await Promise.all([
    readFile(join(folder, 'config.json'), 'utf8'),
    readOptions(join(folder, 'options.json')),
  ]);
  return {
    folder,
    config,
    runtime: textOf(options, 'binary_name') || 'runc',
    path: /(?:^|\0)PATH=([^\0]*)/.exec(environment)?.[1] ?? '',
    stateRoot: join(textOf(options, 'root') || DEFAULT_STATE_ROOT, namespace),
    systemdCgroup: options['systemd_cgroup'] === true,
  };
}

async function readOptions(path: string): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    if (isMissing(error)) return {};
    throw error;
  }
}

function textOf(options: Record<string, unknown>, name: string): string {
  const value = options[name];
  return typeof value === 'string' ? value : '';
}
