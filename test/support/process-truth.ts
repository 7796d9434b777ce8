import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** What the kernel says of a process: `/proc/<pid>/status` by field. */
export function statusOf(pid: number | 'self'): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return new Map(
    lines.map((line) => {
      const [key = '', value = ''] = line.split(':\t');
      return [key, value.trim()] as const;
    }),
  );
}

/** Real uid and gid, and the supplementary groups in order of their numbers. */
export function identityOf(pid: number): { uid: number; gid: number; groups: number[] } {
  const status = statusOf(pid);
  const numbers = (field: string): number[] =>
    (status.get(field) ?? '').split(/\s+/).filter(Boolean).map(Number);
  const groups = numbers('Groups').sort((a, b) => a - b);
  return { uid: numbers('Uid')[0] ?? -1, gid: numbers('Gid')[0] ?? -1, groups };
}

/** Names of `include/uapi/linux/capability.h`, by number, as far as tests use them. */
export const CAPABILITIES: Readonly<Record<string, number>> = {
  CHOWN: 0, DAC_OVERRIDE: 1, FOWNER: 3, FSETID: 4, KILL: 5, SETGID: 6, SETUID: 7, SETPCAP: 8, NET_BIND_SERVICE: 10,
  NET_ADMIN: 12, NET_RAW: 13, SYS_CHROOT: 18, SYS_PTRACE: 19, SYS_ADMIN: 21, SYS_TIME: 25, MKNOD: 27,
  AUDIT_WRITE: 29, SETFCAP: 31,
}; // prettier-ignore

export type CapabilitySet = 'CapEff' | 'CapBnd' | 'CapPrm' | 'CapInh' | 'CapAmb';

export function hasCapability(pid: number, name: string, set: CapabilitySet = 'CapBnd'): boolean {
  const number = CAPABILITIES[name];
  if (number === undefined) throw new Error(`unknown capability ${name}`);
  return ((BigInt(`0x${statusOf(pid).get(set) ?? '0'}`) >> BigInt(number)) & 1n) === 1n;
}

export interface MountTruth {
  root: string;
  target: string;
  options: string[];
  /** `shared:N`, `master:N`; none for private mounts. */
  tags: string[];
  type: string;
}

/** The mounts that a process sees, the last one of a target winning. */
export function mountsOf(pid: number): Map<string, MountTruth> {
  const mounts = new Map<string, MountTruth>();
  for (const line of readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n').filter(Boolean)) {
    const [head = '', tail = ''] = line.split(' - ');
    const [, , , root = '', target = '', options = '', ...tags] = head.split(' ');
    mounts.set(target, { root, target, options: options.split(','), tags, type: tail.split(' ')[0] ?? '' });
  }
  return mounts;
}

/** `net`, `pid`, `ipc`, `uts`, `user` ... of a process, as something to compare. */
export function namespaceOf(pid: number | 'self', kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

/** The value in a cgroup v1 file such as `memory.limit_in_bytes`, of the cgroup that the process is in. */
export function cgroupValue(pid: number, file: string): string {
  const controller = file.split('.')[0] ?? '';
  const line = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[1]?.split(',').includes(controller));
  return readFileSync(`/sys/fs/cgroup/${controller}${line?.split(':')[2] ?? ''}/${file}`, 'utf8').trim();
}

/** Removes an empty cgroup that was the parent of containers: nobody else does. */
export function removeCgroup(path: string): void {
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
    const folder = join('/sys/fs/cgroup', hierarchy, path);
    if (existsSync(folder)) rmdirSync(folder);
  }
}

export function environmentOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
}

export function oomScoreAdjOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
}
