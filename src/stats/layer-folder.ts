/**
 * The folder that a container writes to, from /proc/<pid>/mountinfo of its main process: the upper folder of the
 * overlay that is its root. Undefined for other kinds of filesystems.
 */
export function upperFolder(mountinfo: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    if (before.split(' ')[4] !== '/') continue;
    const [type, , options = ''] = after.split(' ');
    const upper = type === 'overlay' ? /(?:^|,)upperdir=([^,]+)/.exec(options)?.[1] : undefined;
    return upper?.startsWith('/') ? unescape(upper) : undefined;
  }
  return undefined;
}

/** The device of the mount that a path is on, from /proc/self/mountinfo; '' when it cannot be told. */
export function deviceOf(mountinfo: string, path: string): string {
  let best = { mountPoint: '', device: '' };
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const mountPoint = unescape(before.split(' ')[4] ?? '');
    const isOn = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    // Later mounts lie over earlier ones.
    if (mountPoint !== '' && isOn && mountPoint.length >= best.mountPoint.length) {
      best = { mountPoint, device: after.split(' ')[1] ?? '' };
    }
  }
  return best.device;
}

/** Blanks and the like are octal in mountinfo (proc(5)). */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
