import { readFileSync } from 'node:fs';

/** The folder of a process's cgroup, by cgroup v1's controller or in the v2 hierarchy. */
function folder(pid: number, controller: string): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  const v1 = lines.find((line) => line.split(':')[1]?.split(',').includes(controller));
  if (v1 !== undefined) return `/sys/fs/cgroup/${controller}${v1.split(':')[2]}`;
  const v2 = lines.find((line) => line.startsWith('0::'));
  return `/sys/fs/cgroup${v2?.slice(3)}`;
}

const isV1 = (pid: number): boolean => folder(pid, 'memory').startsWith('/sys/fs/cgroup/memory');

/** What the kernel's own files say of a process's cgroup now, read apart from the code under test. */
export function kernelFigures(pid: number): { usage: number; inactiveFile: number; anonymous: number } {
  const memory = folder(pid, 'memory');
  const [usageFile, prefix, anon] = isV1(pid)
    ? ['memory.usage_in_bytes', 'total_', 'total_rss']
    : ['memory.current', '', 'anon'];
  const stat = new Map(
    readFileSync(`${memory}/memory.stat`, 'utf8')
      .split('\n')
      .map((line): [string, number] => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]),
  );
  return {
    usage: Number(readFileSync(`${memory}/${usageFile}`, 'utf8')),
    inactiveFile: stat.get(`${prefix}inactive_file`) ?? 0,
    anonymous: stat.get(anon) ?? 0,
  };
}

/** CPU time of a process's cgroup in nanoseconds. */
export function kernelCpuNs(pid: number): number {
  if (isV1(pid)) return Number(readFileSync(`${folder(pid, 'cpuacct')}/cpuacct.usage`, 'utf8'));
  const stat = readFileSync(`${folder(pid, 'cpu')}/cpu.stat`, 'utf8');
  return Number(/^usage_usec (\d+)$/m.exec(stat)?.[1]) * 1000;
}

/** Bytes that an interface in a process's network has sent, with all headers and repeats. */
export function kernelSentBytes(pid: number, name: string): number {
  const line = readFileSync(`/proc/${pid}/net/dev`, 'utf8')
    .split('\n')
    .find((text) => text.trim().startsWith(`${name}:`));
  return Number(line?.split(':')[1]?.trim().split(/ +/)[8]);
}
