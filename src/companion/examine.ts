import { access, constants, readFile, readlink } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { REGISTERED, SHIM_RUNTIME } from '../convert/companion/runtime-names.js';
import { readRuncFeatures, type RuncFeatures } from '../convert/companion/runc-features.js';
import { userMapping, usesContainerdStore } from '../convert/engine-info.js';
import type { EngineInfo } from '../docker/types.js';
import { messageOf } from '../util/cri-error.js';
import { runProgram } from '../util/run-program.js';

/** What can be done with the companion runtime on this node. */
export interface CompanionAbilities {
  /** `HostConfig.Runtime` of containers that need it; undefined where it cannot be used at all, as `missing` says. */
  readonly runtime: string | undefined;
  /** Why it cannot be used, or not for user namespaces; '' when nothing is missing. */
  readonly missing: string;
  readonly userNamespaces: boolean;
  /** Whether the kernel maps owners on tmpfs. */
  readonly mapsTmpfs: boolean;
  /** Of the runc that it stands in front of. */
  readonly features: RuncFeatures;
  /** True where nothing of it is installed: that is no fault. */
  readonly isAbsent: boolean;
}

const SHIM = 'containerd-shim-cridock-v2';
const SHIM_API_VERSION = '1.42';
const PROTOCOL = 'cridock-companion 1';
const PROBE = 'cridock-probe';
const PROBE_TIMEOUT_MS = 10_000;
/** Where containerd serves when the Engine does not tell: of the system, and of the daemon's own. */
const USUAL_CONTAINERD = ['/run/containerd/containerd.sock', '/var/run/docker/containerd/containerd.sock'];
const TMPFS_KERNEL = [6, 3] as const;

/** What is looked at beside the Engine's word. */
export interface CompanionPlace {
  /** The companion that cridock brings, if it is there: it finds containerd's process. */
  readonly companion: string;
  readonly supports: (apiVersion: string) => boolean;
}

/** True for the names of runtimes that the companion stands in front of: the runc that is on containerd's PATH. */
export function isPlainRunc(info: EngineInfo, handler: string): boolean {
  const name = handler === '' ? info.DefaultRuntime : handler;
  return name === 'runc' || name === 'io.containerd.runc.v2';
}

/**
 * Finds out what the companion can do here, by having it tried as containerd would: changes nothing. Everything that has to be
 * there has to be seen, else it counts as missing.
 */
export async function examineCompanion(info: EngineInfo, place: CompanionPlace): Promise<CompanionAbilities> {
  const features = readRuncFeatures('');
  const nothing = { runtime: undefined, userNamespaces: false, mapsTmpfs: false, features, isAbsent: false };
  if (!(await isExecutable(place.companion))) {
    return { ...nothing, missing: 'the companion runtime is not installed', isAbsent: true };
  }
  try {
    const found = await find(info, place);
    const runc = await runcOn(found.path);
    const lacking = whyNoUserNamespaces(info, found, runc);
    return {
      runtime: found.runtime,
      features: runc?.features ?? features,
      missing: lacking,
      userNamespaces: lacking === '',
      mapsTmpfs: isKernelFrom(TMPFS_KERNEL),
      isAbsent: false,
    };
  } catch (error) {
    return { ...nothing, missing: messageOf(error) };
  }
}

interface Found {
  readonly runtime: string;
  /** PATH of containerd, which the shims have too. */
  readonly path: string;
  /** What the companion says of the kernel and the disk: `ok`, or why owners cannot be mapped. */
  readonly idmap: string;
}

async function find(info: EngineInfo, place: CompanionPlace): Promise<Found> {
  const { pid, address } = await containerdOf(info, place);
  const [own, others] = await Promise.all([readlink('/proc/self/ns/mnt'), readlink(`/proc/${pid}/ns/mnt`)]);
  if (own !== others) throw new Error('cridock and containerd have different mount namespaces');
  const path = await pathOf(pid);
  const registered = info.Runtimes?.[REGISTERED];
  if (registered !== undefined) {
    const program = registered.path ?? '';
    const { idmap } = await probe(program, address, info.DockerRootDir, path);
    return { runtime: REGISTERED, path, idmap };
  }
  if (!place.supports(SHIM_API_VERSION)) {
    throw new Error(
      `the Engine's API is older than ${SHIM_API_VERSION}, and no runtime "${REGISTERED}" is registered with it`,
    );
  }
  const shim = await onPath(SHIM, path);
  if (shim === undefined) throw new Error(`${SHIM} is not on containerd's PATH (${path})`);
  const { idmap } = await probe(shim, address, info.DockerRootDir, path);
  return { runtime: SHIM_RUNTIME, path, idmap };
}

interface FoundRunc {
  readonly program: string;
  readonly features: RuncFeatures;
}

function whyNoUserNamespaces(info: EngineInfo, { path, idmap }: Found, runc: FoundRunc | undefined): string {
  const mapping = userMapping(info);
  if (mapping !== undefined) return `the Engine itself maps users (${mapping})`;
  const driver = usesContainerdStore(info) ? 'overlayfs' : 'overlay2';
  if (info.Driver !== driver) return `the Engine's storage driver is ${info.Driver}, and not ${driver}`;
  if (idmap !== 'ok') return `the owners of ${info.DockerRootDir} cannot be mapped: ${idmap}`;
  if (runc === undefined) return `no runc is on containerd's PATH (${path})`;
  if (!runc.features.mapsMounts) return `${runc.program} does not map the owners of mounts (runc 1.2 does)`;
  return '';
}

async function containerdOf(
  info: EngineInfo,
  { companion }: CompanionPlace,
): Promise<{ pid: number; address: string }> {
  const told = info.Containerd?.Address;
  const problems: string[] = [];
  for (const address of told === undefined || told === '' ? USUAL_CONTAINERD : [told]) {
    const { containerd } = await probe(companion, address, info.DockerRootDir, process.env['PATH'] ?? '');
    const pid = Number(containerd);
    if (Number.isInteger(pid) && pid > 0) return { pid, address };
    problems.push(`${address}: ${pid === 0 ? 'served in another PID namespace' : containerd}`);
  }
  throw new Error(`containerd is not found (${problems.join(', ')})`);
}

interface Probed {
  readonly containerd: string;
  readonly idmap: string;
}

/** Asks a companion, or a shim that leads to one. Throws where it is none, or an older one. */
async function probe(program: string, address: string, folder: string, path: string): Promise<Probed> {
  const { stdout } = await runProgram(program, [PROBE, address, folder], {
    timeoutMs: PROBE_TIMEOUT_MS,
    env: { PATH: path },
  }).catch((error: unknown) => {
    throw new Error(`${program} is no companion of cridock: ${messageOf(error)}`);
  });
  const [protocol, ...lines] = stdout.split('\n');
  const valueOf = (word: string): string =>
    lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? 'not told';
  if (protocol !== PROTOCOL) throw new Error(`${program} is of another version of cridock (${protocol})`);
  return { containerd: valueOf('containerd'), idmap: valueOf('idmap') };
}

async function pathOf(pid: number): Promise<string> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
  return (
    environment
      .split('\0')
      .find((entry) => entry.startsWith('PATH='))
      ?.slice('PATH='.length) ?? ''
  );
}

async function onPath(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(':')) {
    const file = join(folder, name);
    if (folder !== '' && (await isExecutable(file))) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function runcOn(path: string): Promise<FoundRunc | undefined> {
  const program = await onPath('runc', path);
  if (program === undefined) return undefined;
  const report = await runProgram(program, ['features'], { timeoutMs: PROBE_TIMEOUT_MS }).then(
    ({ stdout }) => stdout,
    () => '', // runc before 1.1 tells nothing
  );
  return { program, features: readRuncFeatures(report) };
}

function isKernelFrom([wantedMajor, wantedMinor]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
