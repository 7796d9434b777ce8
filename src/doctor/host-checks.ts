import { constants } from 'node:fs';
import { access, readFile, readdir, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../cli/config.js';
import { runProgram } from '../util/run-program.js';
import { failure, ok, shellWord, warning, type Finding } from './finding.js';

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
      return level('tools', `${name} is not on PATH: ${use}`, `apt-get install -y ${from}`);
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
  if (!isDirectory) {
    const remedy = `mv ${shellWord(existing)} ${shellWord(`${existing}.off`)} && systemctl restart cri-docker.service`;
    return failure('root-directory', `${existing} is not a folder`, remedy);
  }
  return failure('root-directory', `${existing} cannot be written`, 'sudo cridock doctor');
}

/**
 * A cri-dockerd that runs without being the service of the node, which would serve the same Engine beside it. `proc` is /proc;
 * `unitPid` the main process of the unit, which has a finding of its own.
 */
export async function checkRivals(proc: string, unitPid: number | undefined): Promise<Finding> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    // Ours, called by its alias, is a link to a file of another name. Kernel threads have no such link.
    const program = await readlink(join(proc, pid, 'exe')).catch(() => '');
    if (basename(program.replace(/ \(deleted\)$/, '')) !== 'cri-dockerd' || Number(pid) === unitPid) continue;
    return warning('rivals', `cri-dockerd runs beside the service (pid ${pid})`, `kill ${pid}`);
  }
  return ok('rivals', 'no other cri-dockerd runs');
}

/** Servers of other runtimes, between which kubeadm wants to be told its choice. Docker's containerd is none of them as a rule. */
export async function checkOtherSockets(
  sockets: readonly string[],
  servesCri: (path: string) => Promise<boolean>,
): Promise<Finding> {
  const serving: string[] = [];
  for (const path of sockets) {
    if ((await stat(path).catch(() => undefined))?.isSocket() === true && (await servesCri(path)))
      serving.push(path);
  }
  if (serving.length === 0) return ok('cri-sockets', 'no other runtime serves CRI where kubeadm looks');
  return warning(
    'cri-sockets',
    `${serving.join(' and ')} serves CRI too: kubeadm asks which one (--cri-socket unix:///run/cri-dockerd.sock)`,
    `printf 'version = 2\\ndisabled_plugins = ["cri"]\\n' >/etc/containerd/config.toml && systemctl restart containerd`,
  );
}

/** True when /etc/group has the group that the socket belongs to. `path` is that of the file. */
export async function hasGroup(name: string, path = '/etc/group'): Promise<boolean> {
  const groups = await readFile(path, 'utf8').catch(() => '');
  return groups.split('\n').some((line) => line.startsWith(`${name}:`));
}

/** The clock of this machine: sane, and set by somebody. */
export async function checkClock(now: number): Promise<Finding> {
  if (now < EARLIEST_SANE_TIME) {
    const remedy = 'systemctl enable --now systemd-timesyncd && timedatectl set-ntp true';
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
    'apt-get install -y systemd-timesyncd && systemctl enable --now systemd-timesyncd',
  );
}

/** '' where it cannot be told. */
async function askTimedatectl(): Promise<string> {
  const args = ['show', '--property=NTPSynchronized', '--value'];
  const asked = runProgram('timedatectl', args, { timeoutMs: TIMEDATECTL_TIMEOUT_MS });
  return (await asked.catch(() => ({ stdout: '' }))).stdout.trim();
}

function isAllowed(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
