import { mkdir, readdir, readFile, realpath, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { holdingMount, parseMountinfo } from '../convert/text/mountinfo.js';
import { MOUNT_TIMEOUT_MS } from '../node/pod-sysfs.js';
import { isMissing } from '../util/is-missing.js';
import { runProgram } from '../util/run-program.js';

/** Where the files are, in the folder of one image. */
const MOUNT_POINT = 'image';
/** An overlay without an upper folder wants two others at least: an image may have fewer. */
const EMPTY = ['empty-1', 'empty-2'];

/**
 * Read-only overlay mounts of images' layers on the node, each below a folder of its own. All of these lie on a small tmpfs:
 * who does not see cridock's mounts finds no folder there, instead of an empty one, and a crash of the node leaves
 * nothing. Callers make one change at a time. Throws what `mount` says where mounts are not allowed, and an Error where one takes
 * too long.
 */
export class ImageFolders {
  readonly #dir: string;

  /** `dir` is an absolute path; it is made when it is needed. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The folder with the files of the image of this name, once it is mounted. */
  pathOf(name: string): string {
    return join(this.#dir, name, MOUNT_POINT);
  }

  async isMounted(name: string): Promise<boolean> {
    return isMountPoint(this.pathOf(name));
  }

  /** The names of images that are mounted, or were to be when cridock was killed. */
  async names(): Promise<string[]> {
    return (await isMountPoint(this.#dir)) ? readdir(this.#dir) : [];
  }

  /** Mounts an image of these layers, the uppermost first. */
  async mount(name: string, layers: readonly string[]): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    if (!(await isMountPoint(this.#dir))) {
      await run('mount', ['-t', 'tmpfs', '-o', 'mode=0700,size=16m', 'tmpfs', this.#dir]);
    }
    const folder = join(this.#dir, name);
    await rm(folder, { recursive: true, force: true }); // what a kill has left half made
    for (const child of [MOUNT_POINT, ...EMPTY]) await mkdir(join(folder, child), { recursive: true });
    // Short names: all options together must fit into a page, and must not hold `,` or `:`.
    await Promise.all(layers.map((layer, index) => symlink(layer, join(folder, String(index)))));
    const lower = [...layers.keys(), ...EMPTY].join(':');
    await run('mount', ['-t', 'overlay', '-o', `ro,lowerdir=${lower}`, 'overlay', MOUNT_POINT], folder);
  }

  /** Success when it is not mounted. Containers that have the files keep them. */
  async unmount(name: string): Promise<void> {
    if (await this.isMounted(name)) await run('umount', [this.pathOf(name)]);
    if (!(await isMountPoint(this.#dir))) return;
    await rm(join(this.#dir, name), { recursive: true, force: true });
    if ((await readdir(this.#dir)).length === 0) await run('umount', [this.#dir]);
  }
}

async function isMountPoint(path: string): Promise<boolean> {
  try {
    const [real, mountinfo] = await Promise.all([realpath(path), readFile('/proc/self/mountinfo', 'utf8')]);
    return holdingMount(parseMountinfo(mountinfo), real)?.mountPoint === real;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function run(program: 'mount' | 'umount', args: readonly string[], cwd?: string): Promise<void> {
  await runProgram(program, args, { timeoutMs: MOUNT_TIMEOUT_MS, cwd });
}
