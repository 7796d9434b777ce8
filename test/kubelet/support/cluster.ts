import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { sourceFile } from '../../support/own-engine.js';

/** As cluster.sh writes them into cluster.json. */
interface Paths {
  /** The node's address, where the API server and the kubelet listen. */
  readonly address: string;
  readonly run: string;
  readonly data: string;
  readonly cgroup: string;
  readonly driver: 'cgroupfs' | 'systemd';
  /** The Engine's. */
  readonly endpoint: string;
  readonly docker: string;
  /** The kubelet's version, such as 1.37.2. */
  readonly kubelet: string;
  /** Of the node's control groups. */
  readonly cgroupVersion: 1 | 2;
  /** What the addresses of pods begin with. */
  readonly subnet: string;
}

const run = process.env['CRIDOCK_TEST_CLUSTER'] ?? '';

/** As the `skip` option of a test: why there is no cluster to test with, or false. */
export const noCluster: string | false = existsSync(path.join(run, 'cluster.json'))
  ? false
  : 'no cluster (CRIDOCK_TEST_CLUSTER names the folder of one that test/kubelet/cluster.sh started)';

/** Whether the whole suite is asked for, and not only the part that fits into every run. */
export const isWhole = process.env['CRIDOCK_TEST_FULL'] === '1';

export const NODE = 'cridock-test';

/** The cluster that this run shares. */
export const cluster: Paths =
  noCluster === false
    ? (JSON.parse(readFileSync(path.join(run, 'cluster.json'), 'utf8')) as Paths)
    : ({} as Paths);

/** One of ten host ports of its own: on the same one the pods of another cluster of this machine would answer. */
export function hostPort(index: number): number {
  return 28_000 + 10 * Number(cluster.subnet.split('.')[2]) + index;
}

/** Whether the kubelet is of this minor version (1.37) or a newer one. */
export function kubeletSince(minor: number): boolean {
  return Number(cluster.kubelet.split('.')[1]) >= minor;
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Called when it prints something, the first time. */
  readonly onOutput?: () => void;
}

/** Runs a command to its end; its exit code is part of the answer. */
export async function command(
  program: string,
  args: readonly string[],
  { input, env = {}, timeoutMs = 120_000, onOutput }: CommandOptions = {},
): Promise<Output> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    timeout: timeoutMs * patience,
    killSignal: 'SIGKILL',
  });
  const read = async (stream: AsyncIterable<Buffer>, onFirst?: () => void): Promise<string> => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) if (chunks.push(chunk) === 1) onFirst?.();
    return Buffer.concat(chunks).toString();
  };
  // A command that ends without reading all of its input is no failure of the test.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === null) reject(new Error(`${program} ${args.join(' ')}: ${signal ?? 'ended'}`));
      else resolve(status);
    });
  });
  const [stdout, stderr, status] = await Promise.all([
    read(child.stdout, onOutput),
    read(child.stderr),
    code,
  ]);
  return { code: status, stdout, stderr };
}

/** How many times longer than usual things may take here, as on an emulated node. */
export const patience = Number(process.env['CRIDOCK_TEST_PATIENCE'] ?? '1');

/** The arguments that every kubectl needs. */
export const kubectlArguments = [
  '--kubeconfig',
  path.join(run, 'kubeconfig'),
  '--cache-dir',
  path.join(run, 'kubectl-cache'),
];
export const kubectlProgram = path.join(run, 'bin/kubectl');

export async function kubectl(args: readonly string[], options?: CommandOptions): Promise<Output> {
  return command(kubectlProgram, [...kubectlArguments, ...args], options);
}

/** What docker prints. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(cluster.docker, ['-H', cluster.endpoint, ...args], {
    env: { ...process.env, DOCKER_CONFIG: '/nonexistent' },
    maxBuffer: 64 << 20,
  });
  return stdout.trim();
}

/** Ends a program of the cluster (by this signal) and starts it again; resolves when it answers. */
export async function restartProgram(program: 'kubelet' | 'cridock', signal = 'TERM'): Promise<void> {
  await clusterScript('restart', program, signal);
}

/** Ends it; `restartProgram` goes on. */
export async function haltProgram(program: 'kubelet' | 'cridock'): Promise<void> {
  await clusterScript('halt', program);
}

async function clusterScript(what: string, ...args: string[]): Promise<void> {
  const name = path.basename(cluster.run).replace(/-cluster$/, '');
  const script = sourceFile('kubelet/cluster.sh');
  const { code, stderr } = await command(script, [what, name, ...args], { timeoutMs: 240_000 });
  if (code !== 0) throw new Error(`${what} ${args.join(' ')}: ${stderr}`);
}
