import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DEVICE = '/dev/fuse';

/** Why no file system that hangs can be made here. */
export const noDeadMount = existsSync(DEVICE) ? false : `no ${DEVICE} on this machine`;

/**
 * A file system that does not answer, as an NFS share whose server is gone: of FUSE, with nobody to serve it. Whoever looks at
 * it stands still until `end`; the folder is left then.
 */
export function deadMount(): { readonly folder: string; end(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'cridock-dead-'));
  const server = openSync(DEVICE, 'r+');
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
  const mount = spawnSync('mount', ['-i', '-t', 'fuse', 'dead', folder, '-o', options], {
    stdio: ['ignore', 'inherit', 'inherit', server],
  });
  if (mount.status !== 0) throw new Error(`mount ended with ${mount.status}`);
  return {
    folder,
    end: () => {
      execFileSync('umount', ['--lazy', folder]);
      closeSync(server);
    },
  };
}
