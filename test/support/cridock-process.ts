import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Code } from '../../src/util/cri-error.js';
import { connectCri } from './cri-client.js';
import type { CriClient } from './cri-client.js';

/** The Engine that integration tests run on. */
export const testDockerEndpoint = process.env['CRIDOCK_TEST_DOCKER'] ?? 'unix:///var/run/docker.sock';

/** As the `skip` option of a test: the reason why there is no Engine to test with, or false. */
export const noEngine: string | false = existsSync(testDockerEndpoint.replace(/^unix:\/\//, ''))
  ? false
  : `no Docker Engine at ${testDockerEndpoint} (CRIDOCK_TEST_DOCKER names another)`;

export interface CridockOptions {
  /** Flags after those that are always given, so that they win over them. */
  readonly flags?: readonly string[];
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** Variables on top of the test's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** False: a failing test tells of the log itself. */
  readonly printLog?: boolean;
  /** An empty folder of the caller's to work in, instead of a new one. It is removed in the end all the same. */
  readonly directory?: string;
}

/** A cridock with state, CNI configuration and pod subnet of its own. It shares the Engine with others. */
export interface CridockProcess {
  readonly socketPath: string;
  /** Where all its files are; `root`, `net.d`, `cni-cache` and `ipam` are below. */
  readonly directory: string;
  /** The host's bridge that its pods are on. */
  readonly bridge: string;
  /** Goes on working over restarts. */
  readonly client: CriClient;
  /** Of the process that runs now. */
  readonly pid: number;
  /** False once it has ended, by itself or by a signal. */
  readonly isRunning: boolean;
  /** Of a process that has ended by itself. */
  readonly exitCode: number | null;
  /** What it has written to stdout and stderr until now, over all restarts. */
  log(): string;
  /** SIGKILL; resolves when the process is gone. Then `restart`. */
  kill9(): Promise<void>;
  /** SIGTERM if it runs, then the same command line again; resolves when it answers. */
  restart(): Promise<void>;
  /**
   * SIGTERM, and everything that it had is removed but for its pods: those are the test's own to remove. Rejects,
   * with the log, when the process had died before, did not end in time or ended with an exit code.
   */
  stop(): Promise<void>;
}

/** Waited for, not judged: on a machine that has much else to do the first line of the program can take half a minute. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
/** What a failing test prints of the log. */
const LOG_TAIL_CHARS = 20_000;

/**
 * Starts the compiled cridock and resolves when it answers Version. Rejects, with its log, when it ends before.
 * When the test file fails, the end of the log is printed.
 */
export async function startCridock({
  flags = [],
  nodeFlags = ['--enable-source-maps'],
  env = {},
  printLog = true,
  directory = makeTestDirectory(),
}: CridockOptions = {}): Promise<CridockProcess> {
  const socketPath = path.join(directory, 'cri.sock');
  const bridge = `cdt${randomBytes(4).toString('hex')}`;
  writeCniConfig(directory, bridge);
  const args = [...nodeFlags, mainScript(), ...standardFlags(directory, socketPath), ...flags];
  const logPath = path.join(directory, 'log');
  const log = (): string => readFileSync(logPath, 'utf8');
  const client = connectCri(socketPath);

  let child = launch(args, env, logPath);
  let finalLog: string | undefined;
  const onExit = (exitCode: number): void => {
    child.kill('SIGKILL');
    if (exitCode === 0 || !printLog) return;
    process.stderr.write(
      `--- end of the log of ${directory}:\n${(finalLog ?? log()).slice(-LOG_TAIL_CHARS)}---\n`,
    );
  };
  process.on('exit', onExit);

  const cleanUp = (): void => {
    client.close();
    finalLog = log();
    removeBridge(bridge);
    rmSync(directory, { recursive: true });
  };
  const running: CridockProcess = {
    socketPath,
    directory,
    bridge,
    client,
    get pid() {
      return pidOf(child);
    },
    get exitCode() {
      return child.exitCode;
    },
    get isRunning() {
      return isRunning(child);
    },
    log,
    kill9: async () => {
      if (!isRunning(child)) throw new Error(`cridock died by itself (${fate(child)}):\n${log()}`);
      child.kill('SIGKILL');
      await ended(child);
    },
    restart: async () => {
      if (isRunning(child)) await terminate(child);
      child = launch(args, env, logPath);
      await untilAnswers(child, client, log);
    },
    stop: async () => {
      const diedBefore = !isRunning(child);
      try {
        if (!diedBefore) await terminate(child);
        if (diedBefore || child.exitCode !== 0) {
          throw new Error(
            `cridock ${diedBefore ? 'died by itself' : 'ended badly'} (${fate(child)}):\n${log()}`,
          );
        }
      } finally {
        cleanUp();
      }
    },
  };
  try {
    await untilAnswers(child, client, log);
  } catch (error) {
    child.kill('SIGKILL');
    await ended(child);
    cleanUp();
    process.off('exit', onExit);
    throw error;
  }
  return running;
}

/** A new folder for a cridock under test. Its path is short: below it are sockets with names of 64 letters. */
export function makeTestDirectory(): string {
  return mkdtempSync(path.join(tmpdir(), 'cdt-'));
}

function standardFlags(directory: string, socketPath: string): string[] {
  const flags = {
    'container-runtime-endpoint': `unix://${socketPath}`,
    'docker-endpoint': testDockerEndpoint,
    'cri-dockerd-root-directory': path.join(directory, 'root'),
    'network-plugin': 'cni',
    'cni-conf-dir': path.join(directory, 'net.d'),
    'cni-bin-dir': '/usr/lib/cni,/opt/cni/bin',
    'cni-cache-dir': path.join(directory, 'cni-cache'),
    'nri-socket': path.join(directory, 'nri.sock'),
    'nri-plugin-path': path.join(directory, 'nri-plugins'),
    'nri-plugin-config-path': path.join(directory, 'nri-conf.d'),
    'log-level': 'debug',
  };
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
}

/** A bridge and a range of addresses that no other test shares. */
function writeCniConfig(directory: string, bridge: string): void {
  const folder = path.join(directory, 'net.d');
  mkdirSync(folder);
  const plugin = {
    type: 'bridge',
    bridge,
    isGateway: true,
    ipam: {
      type: 'host-local',
      dataDir: path.join(directory, 'ipam'),
      ranges: [[{ subnet: unusedSubnet() }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  const list = { cniVersion: '1.0.0', name: bridge, plugins: [plugin] };
  writeFileSync(path.join(folder, '10-test.conflist'), JSON.stringify(list));
}

/** A /24 out of 10.128.0.0/9 that no interface of the machine has an address in. */
function unusedSubnet(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  for (;;) {
    const prefix = `10.${randomInt(128, 256)}.${randomInt(256)}.`;
    if (!addresses.some(({ address }) => address.startsWith(prefix))) return `${prefix}0/24`;
  }
}

/** The bridge plugin makes it for the first pod; nobody else removes it. */
function removeBridge(bridge: string): void {
  if (existsSync(`/sys/class/net/${bridge}`)) execFileSync('ip', ['link', 'delete', bridge]);
}

/** Compiled, this file is <outDir>/test/support/cridock-process.js. */
function mainScript(): string {
  return fileURLToPath(new URL('../../src/main.js', import.meta.url));
}

function launch(args: string[], env: Readonly<Record<string, string>>, logPath: string): ChildProcess {
  const logFd = openSync(logPath, 'a');
  try {
    return spawn(process.execPath, args, {
      stdio: ['ignore', logFd, logFd],
      env: { ...process.env, ...env },
    });
  } finally {
    closeSync(logFd);
  }
}

async function untilAnswers(child: ChildProcess, client: CriClient, log: () => string): Promise<void> {
  const exit = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(fate(child))));
  });
  try {
    await Promise.race([exit, versionAnswers(client, Date.now() + START_TIMEOUT_MS)]);
  } catch (error) {
    throw new Error(`cridock did not start: ${String(error)}\n${log()}`, { cause: error });
  }
}

/** After a restart the client may find out only with a call that its old connection is gone. */
async function versionAnswers(client: CriClient, deadlineMs: number): Promise<void> {
  for (;;) {
    const timeoutMs = Math.max(0, deadlineMs - Date.now());
    await client.ready(timeoutMs);
    try {
      await client.runtime.Version({ version: 'v1' }, { timeoutMs });
      return;
    } catch (error) {
      const isStale = error instanceof Error && 'code' in error && error.code === Code.UNAVAILABLE;
      if (!isStale || Date.now() >= deadlineMs) throw error;
    }
  }
}

/** SIGTERM, then SIGKILL and an error when that does not end it. */
async function terminate(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended(child);
  clearTimeout(timer);
  if (child.signalCode === 'SIGKILL')
    throw new Error(`cridock did not end within ${STOP_TIMEOUT_MS} ms of SIGTERM`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (isRunning(child)) await once(child, 'exit');
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function fate(child: ChildProcess): string {
  return child.signalCode === null ? `exit code ${child.exitCode ?? 'unknown'}` : child.signalCode;
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('cridock could not be spawned');
  return child.pid;
}
