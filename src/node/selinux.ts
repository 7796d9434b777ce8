import { access } from 'node:fs/promises';

/** There where the kernel confines processes by SELinux. */
const ENFORCE = '/sys/fs/selinux/enforce';

/** Whether this node's kernel labels processes for SELinux. */
export async function hasSelinux(path = ENFORCE): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
