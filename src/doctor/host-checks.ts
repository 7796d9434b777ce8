import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readdir, readlink, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '../cli/config.js';
import { failure, ok, warning, type Finding } from './finding.js';

/** Where kubeadm looks for CRI servers, besides the socket of cri-dockerd. */
export const OTHER_CRI_SOCKETS: readonly string[] = [
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
];

/** Nothing of cridock's is older; with a clock before it no certificate is valid yet. */
const EARLIEST_SANE_TIME = Date.UTC(2026, 0, 1);
const TIMEDATECTL_TIMEOUT_MS = 5_000;

/** Programs that cridock and CNI plugins run. `searchPath` is PATH. */
export async function checkTools(searchPath: string): Promise<Finding[]> {
  const wanted = [
    { name: 'nsenter', level: failure, use: 'port-forward enters pods with it', from: 'util-linux' },
    { name: 'iptables', level: warning, use: 'CNI plugins use it', from: 'iptables' },
  ];
  return Promise.all(
    wanted.map(async ({ name, level, use, from }) => {
      const path = await firstExecutable(name, searchPath.split(':'));
      if (path !== undefined) return ok('tools', `${name} is ${path}`);
      return level('tools', `${name} is not on PATH: ${use}`, `install it (Debian package ${from})`);
    }),
  );
}

async function firstExecutable(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders.filter((path) => path.startsWith('/'))) {
    const path = join(folder, name);
    if (await isAllowed(path, constants.X_OK)) return path;
  }
  return undefined;
}

/** Where cridock keeps what must survive a restart; made when it is not there. */
export async function checkRootDirectory({ rootDirectory }: Config): Promise<Finding> {
  let existing = rootDirectory;
  while (existing !== '/' && !(await isAllowed(existing, constants.F_OK))) existing = dirname(existing);
  const isDirectory = (await stat(existing)).isDirectory();
  if (isDirectory && (await isAllowed(existing, constants.W_OK)))
    return ok('root-directory', `${rootDirectory} can be written`);
  const remedy = 'run cridock as root, or name a folder that it may write with --cri-dockerd-root-directory';
  return failure('root-directory', `${existing} cannot be written`, remedy);
}

/** A running cri-dockerd, which must not serve the same Engine. `proc` is /proc. */
export async function checkRivals(proc: string): Promise<Finding> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    // Ours, called by its alias, is a link to a file of another name. Kernel threads have no such link.
    const program = await readlink(join(proc, pid, 'exe')).catch(() => '');
    if (basename(program.replace(/ \(deleted\)$/, '')) !== 'cri-dockerd') continue;
    return warning(
      'rivals',
      `cri-dockerd runs (pid ${pid})`,
      'see what it has with: cridock migrate --from cri-dockerd --dry-run; do not run both on one Engine',
    );
  }
  return ok('rivals', 'no cri-dockerd runs');
}

/** Servers of other runtimes, between which kubeadm wants to be told its choice. */
export async function checkOtherSockets(sockets: readonly string[]): Promise<Finding> {
  const serving: string[] = [];
  for (const path of sockets) {
    if ((await stat(path).catch(() => undefined))?.isSocket() === true && (await accepts(path)))
      serving.push(path);
  }
  if (serving.length === 0)
    return ok('cri-sockets', 'no other container runtime has a socket where kubeadm looks');
  return warning(
    'cri-sockets',
    `kubeadm also sees ${serving.join(' and ')}`,
    'give kubeadm --cri-socket unix:///run/cri-dockerd.sock (example: deploy/kubeadm/kubeadm.yaml)',
  );
}

/** The clock of this machine: sane, and set by somebody. */
export async function checkClock(now: number): Promise<Finding> {
  if (now < EARLIEST_SANE_TIME) {
    const remedy = 'set the clock, and let NTP keep it (systemctl enable --now systemd-timesyncd)';
    return failure(
      'clock',
      `it is not ${new Date(now).toISOString().slice(0, 10)}: certificates will be refused`,
      remedy,
    );
  }
  const synchronised = await askTimedatectl();
  if (synchronised !== 'no')
    return ok('clock', synchronised === 'yes' ? 'NTP keeps the clock' : 'the clock looks sane');
  return warning(
    'clock',
    'NTP does not keep the clock',
    'systemctl enable --now systemd-timesyncd, or install chrony',
  );
}

/** '' where it cannot be told. */
async function askTimedatectl(): Promise<string> {
  const args = ['show', '--property=NTPSynchronized', '--value'];
  const asked = promisify(execFile)('timedatectl', args, { timeout: TIMEDATECTL_TIMEOUT_MS });
  return (await asked.catch(() => ({ stdout: '' }))).stdout.trim();
}

function isAllowed(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
