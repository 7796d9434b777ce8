import { readFile } from 'node:fs/promises';
import { runProgram } from '../util/run-program.js';

/** So long mount(8) or umount(8) may take. */
export const MOUNT_TIMEOUT_MS = 30_000;

/**
 * Over /sys of a mount namespace that ends with the command: what others see there keeps its own flags, as that of the
 * pause container and of those without privileges does.
 */
const REMOUNT = 'mount -t sysfs sysfs /sys && mount -o remount,rw /sys';

/**
 * Makes sysfs of a pod's network namespace writable, for privileged containers: there is one for each namespace, and whoever
 * mounts it first, the pause container, has made all of it read-only. Nothing to do where it is writable, or where the
 * process is gone. `pid`: of a process with that network namespace and its own /sys. Throws what `mount` says.
 */
export async function makePodSysfsWritable(pid: number): Promise<void> {
  const mountinfo = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  if (!isReadOnlyAsAWhole(mountinfo)) return;
  const inNamespaces = ['--target', String(pid), '--net', '--', 'unshare', '--mount', '--'];
  await runProgram('nsenter', [...inNamespaces, 'sh', '-c', REMOUNT], { timeoutMs: MOUNT_TIMEOUT_MS });
}

/** Of the two lists of options in a line of mountinfo (proc(5)) the second is the file system's own. */
function isReadOnlyAsAWhole(mountinfo: string): boolean {
  return mountinfo.split('\n').some((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , superOptions = ''] = after.split(' ');
    return before.split(' ')[4] === '/sys' && type === 'sysfs' && superOptions.split(',').includes('ro');
  });
}
