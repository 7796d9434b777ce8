import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectCri } from '../../support/cri-client.js';
import { testDockerEndpoint } from '../../support/cridock-process.js';
import { until } from '../../support/until.js';
import { SHIPPED_ENV, SHIPPED_NODE_FLAGS } from '../measure.js';

const PLUGIN_FOLDERS = ['/usr/lib/cni', '/opt/cni/bin'];
const BRIDGE = 'crdkpeers';
const START_TIMEOUT_MS = 60_000;

/** A CRI server that is compared. Only one runs at a time: cridock and cri-dockerd would take each other's pods for theirs. */
export interface Peer {
  readonly name: string;
  /** Starts it with an empty folder of its own; resolves when it answers. One on Docker asks the Engine at `endpoint`. */
  start(endpoint?: string): Promise<RunningPeer>;
}

export interface RunningPeer {
  readonly socketPath: string;
  readonly directory: string;
  readonly pid: number;
  /** As requests name it. */
  readonly image: string;
  /** What it has written until now. */
  log(): string;
  stop(): Promise<void>;
}

/** cridock, and the peers that were given: cri-dockerd by CRI_DOCKERD, containerd by CONTAINERD, each a program's path. */
export function peers(): { given: Peer[]; missing: string[] } {
  const criDockerd = process.env['CRI_DOCKERD'];
  const containerd = process.env['CONTAINERD'];
  const cridock = process.env['CRIDOCK'];
  // Compiled, this file is <root>/<outDir>/test/bench/peers/servers.js.
  const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));
  const ours = cridock === undefined ? [process.execPath, ...SHIPPED_NODE_FLAGS, main] : [cridock];
  return {
    given: [
      { name: 'cridock', start: (endpoint?: string) => startOnDocker(ours, endpoint) },
      ...(criDockerd === undefined
        ? []
        : [{ name: 'cri-dockerd', start: (endpoint?: string) => startOnDocker([criDockerd], endpoint) }]),
      ...(containerd === undefined ? [] : [{ name: 'containerd', start: () => startContainerd(containerd) }]),
    ],
    missing: [
      ...(criDockerd === undefined ? ['cri-dockerd (CRI_DOCKERD)'] : []),
      ...(containerd === undefined ? ['containerd (CONTAINERD)'] : []),
    ],
  };
}

function newFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'cridock-peer-'));
  mkdirSync(join(directory, 'net.d'));
  const plugin = {
    type: 'bridge',
    bridge: BRIDGE,
    isGateway: true,
    ipam: {
      type: 'host-local',
      dataDir: join(directory, 'ipam'),
      ranges: [[{ subnet: '10.127.240.0/20' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  const list = { cniVersion: '1.0.0', name: 'peers', plugins: [plugin] };
  writeFileSync(join(directory, 'net.d', '10-peers.conflist'), JSON.stringify(list));
  return directory;
}

async function startOnDocker(
  command: readonly string[],
  endpoint = testDockerEndpoint,
): Promise<RunningPeer> {
  const directory = newFolder();
  const socketPath = join(directory, 'cri.sock');
  const flags = {
    'container-runtime-endpoint': `unix://${socketPath}`,
    'docker-endpoint': endpoint,
    'cri-dockerd-root-directory': join(directory, 'root'),
    'network-plugin': 'cni',
    'cni-conf-dir': join(directory, 'net.d'),
    'cni-bin-dir': PLUGIN_FOLDERS.join(','),
    'cni-cache-dir': join(directory, 'cni-cache'),
    'pod-infra-container-image': 'registry.k8s.io/pause:3.10',
  };
  const words = [...command, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)];
  const docker = process.env['DOCKER'] ?? 'docker';
  const inspect = ['-H', testDockerEndpoint, 'image', 'inspect', '-f', '{{.Id}}', 'busybox:latest'];
  const image = execFileSync(docker, inspect, { encoding: 'utf8' }).trim();
  return run(words, { socketPath, directory, image });
}

/** Its images are those of the Engine, taken over by `docker save` and `ctr images import`. */
async function startContainerd(program: string): Promise<RunningPeer> {
  const directory = newFolder();
  const socketPath = join(directory, 'containerd.sock');
  const config = `version = 3
root = '${join(directory, 'root')}'
state = '${join(directory, 'state')}'
[grpc]
address = '${socketPath}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'registry.k8s.io/pause:3.10'
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [${PLUGIN_FOLDERS.map((folder) => `'${folder}'`).join(', ')}]
conf_dir = '${join(directory, 'net.d')}'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.nri.v1.nri']
disable = true
`;
  writeFileSync(join(directory, 'config.toml'), config);
  const path = `${dirname(program)}:${process.env['PATH'] ?? ''}`;
  const words = [program, '--config', join(directory, 'config.toml')];
  const running = await run(
    words,
    { socketPath, directory, image: 'docker.io/library/busybox:latest' },
    path,
  );
  const images = ['registry.k8s.io/pause:3.10', 'busybox:latest'];
  const archive = join(directory, 'images.tar');
  execFileSync(process.env['DOCKER'] ?? 'docker', [
    '-H',
    testDockerEndpoint,
    'save',
    '-o',
    archive,
    ...images,
  ]);
  const ctr = join(dirname(program), 'ctr');
  execFileSync(ctr, [
    '-a',
    socketPath,
    '-n',
    'k8s.io',
    'images',
    'import',
    '--platform',
    'linux/amd64',
    archive,
  ]);
  rmSync(archive);
  return running;
}

async function run(
  [program = '', ...args]: readonly string[],
  place: Pick<RunningPeer, 'socketPath' | 'directory' | 'image'>,
  path = process.env['PATH'] ?? '',
): Promise<RunningPeer> {
  const logPath = join(place.directory, 'log');
  const log = openSync(logPath, 'a');
  const env = { ...process.env, ...SHIPPED_ENV, PATH: path };
  const child = spawn(program, args, { stdio: ['ignore', log, log], env });
  try {
    await until(`${program} to be ready`, () => isReady(place.socketPath), START_TIMEOUT_MS);
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${String(error)}\n${readFileSync(logPath, 'utf8').slice(-4000)}`, { cause: error });
  }
  return {
    ...place,
    pid: child.pid ?? 0,
    log: () => readFileSync(logPath, 'utf8'),
    stop: () => stop(child, place.directory),
  };
}

/** True once its network is ready too: cri-dockerd looks for one every few seconds. */
async function isReady(socketPath: string): Promise<boolean> {
  const client = connectCri(socketPath);
  try {
    const { status } = await client.runtime.Status({}, { timeoutMs: 2_000 });
    return status?.conditions.every(({ status: holds }) => holds) === true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  if (existsSync(`/sys/class/net/${BRIDGE}`)) execFileSync('ip', ['link', 'delete', BRIDGE]);
  rmSync(directory, { recursive: true });
}
