import { spawn, type ChildProcess } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { isMissing } from '../util/is-missing.js';
import type { PluginIdentity } from './plugin.js';
import { splitPluginName } from './plugin-names.js';

/** A program in the plugins' folder, with its configuration. */
export interface PluginProgram {
  readonly path: string;
  readonly identity: PluginIdentity;
  readonly config: string;
}

/** Where plugins and their configurations are. */
export interface PluginFolders {
  readonly plugins: string;
  readonly configs: string;
}

/**
 * The executable files of the folder, in their order. A file that is no plugin, or whose configuration cannot be read, is told to
 * `onProblem` and left out.
 */
export async function findPluginPrograms(
  folders: PluginFolders,
  onProblem: (name: string, error: unknown) => void,
): Promise<PluginProgram[]> {
  const programs: PluginProgram[] = [];
  for (const name of (await namesIn(folders.plugins)).sort()) {
    const path = join(folders.plugins, name);
    try {
      const facts = await stat(path);
      if (!facts.isFile() || (facts.mode & 0o111) === 0) continue;
      const { index, base } = splitPluginName(name);
      const config = await configOf(folders.configs, name, base);
      programs.push({ path, identity: { index, base, isStarted: true }, config });
    } catch (error) {
      onProblem(name, error);
    }
  }
  return programs;
}

/** A plugin that runs as a child of this process. */
export interface RunningProgram {
  readonly process: ChildProcess;
  readonly socket: Duplex;
}

/**
 * Starts a plugin as NRI wants it: one end of a connection as descriptor 3, and three variables. Its output goes where
 * cridock's goes. Throws an Error when it cannot be started.
 */
export async function startPluginProgram({ path, identity }: PluginProgram): Promise<RunningProgram> {
  const child = spawn(path, [], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    env: {
      NRI_PLUGIN_NAME: identity.base,
      NRI_PLUGIN_IDX: identity.index,
      NRI_PLUGIN_SOCKET: '3',
    },
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  child.on('error', () => undefined); // it could not be killed: it is gone
  const socket = child.stdio[3];
  if (!(socket instanceof Duplex)) throw new Error('no connection to it');
  return { process: child, socket };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** That of the plugin with its index, else that of its name. */
async function configOf(folder: string, name: string, base: string): Promise<string> {
  for (const file of [`${name}.conf`, `${base}.conf`]) {
    try {
      return await readFile(join(folder, file), 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return '';
}
