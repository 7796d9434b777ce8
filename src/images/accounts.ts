import type { AccountFiles } from '../convert/security/accounts.js';
import { Code, CriError } from '../util/cri-error.js';
import { WeightedMap } from '../util/weighted-map.js';
import type { OwnContainerParts } from './own-containers.js';
import { withScratchContainer } from './scratch-container.js';

const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Of all images together, in characters: thousands of images, or two with the longest files that are read. */
const MOST_KEPT = 4 * MAX_FILE_BYTES;
const MAX_LINKS = 16;
/** Go's `fs.ModeType`: the bits that are all zero for a regular file. */
const TYPE_BITS = 0x8f280000;

/** The account files of images, each image looked into once while they are kept: its content never changes. */
export class ImageAccounts {
  readonly #parts: OwnContainerParts;
  readonly #files = new WeightedMap<AccountFiles>(MOST_KEPT);
  readonly #readings = new Map<string, Promise<AccountFiles>>();

  constructor(parts: OwnContainerParts) {
    this.#parts = parts;
  }

  async of(imageId: string): Promise<AccountFiles> {
    const known = this.#files.get(imageId) ?? this.#readings.get(imageId);
    if (known !== undefined) return known;
    const reading = this.#read(imageId);
    this.#readings.set(imageId, reading);
    try {
      const files = await reading;
      this.#files.set(imageId, files, files.passwd.length + files.group.length);
      return files;
    } finally {
      this.#readings.delete(imageId); // where it failed the next one tries again
    }
  }

  /** Forgets an image that was removed. */
  forget(imageId: string): void {
    this.#files.delete(imageId);
  }

  async #read(imageId: string): Promise<AccountFiles> {
    return withScratchContainer(this.#parts, imageId, async (id) => {
      const [passwd, group] = await Promise.all([
        this.#readText(id, '/etc/passwd'),
        this.#readText(id, '/etc/group'),
      ]);
      return { passwd, group };
    });
  }

  /** '' where the image has no such file. */
  async #readText(containerId: string, path: string): Promise<string> {
    let at = path;
    for (let links = 0; links <= MAX_LINKS; links += 1) {
      const stat = await this.#parts.engine.statPath(containerId, at);
      if (stat === undefined) return '';
      if (stat.linkTarget !== '') {
        at = stat.linkTarget;
        continue;
      }
      if ((stat.mode & TYPE_BITS) !== 0) return '';
      if (stat.size > MAX_FILE_BYTES) {
        throw new CriError(
          Code.FAILED_PRECONDITION,
          `the image's ${path} is longer than ${MAX_FILE_BYTES} bytes`,
        );
      }
      return (await this.#parts.engine.readFile(containerId, at)).toString('utf8');
    }
    throw new CriError(Code.FAILED_PRECONDITION, `the image's ${path} is a chain of too many links`);
  }
}
