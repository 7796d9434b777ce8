/** One line of the answer to `POST /images/create`. */
export interface PullMessage {
  status?: string;
  /** A layer's short digest, or the tag on the line `Pulling from <repository>`. */
  id?: string;
  progressDetail?: { current?: number; total?: number; units?: string };
  /** The pull failed, although the HTTP status is 200. */
  errorDetail?: { code?: number; message?: string };
  /** The older form of `errorDetail.message`. */
  error?: string;
}

interface Layer {
  status: string;
  currentBytes: number;
  totalBytes: number;
  /** Its last message tells how long it has taken, not how far it is. */
  isTimed: boolean;
}

const newLayerStatuses: ReadonlySet<string> = new Set([
  'Pulling fs layer',
  'Waiting',
  'Downloading',
  'Already exists',
]);
const doneStatuses: ReadonlySet<string> = new Set(['Pull complete', 'Already exists']);
const unpackingStatuses: ReadonlySet<string> = new Set([
  'Verifying Checksum',
  'Download complete',
  'Extracting',
]);

/** What is known of a pull from its messages so far. */
export class PullProgress {
  readonly #layers = new Map<string, Layer>();
  #lastStatus = 'no answer from the registry yet';
  /** What each id's last message told, to tell progress from repetition. */
  readonly #seen = new Map<string, string>();

  /**
   * Takes in one message; true when it tells something new. With the containerd image store the Engine repeats
   * unchanged figures ten times a second, so words alone are no sign of life. Neither are the seconds that it counts while it
   * unpacks a layer: they go on where that hangs.
   */
  accept(message: PullMessage): boolean {
    const { id = '', status = '', progressDetail: { current = 0, total = 0, units } = {} } = message;
    const isTimed = units === 's';
    const tale = isTimed ? status : `${status} ${current}`;
    if (this.#seen.get(id) === tale) return false;
    this.#seen.set(id, tale);

    const layer = this.#layers.get(id);
    if (layer === undefined && !newLayerStatuses.has(status)) {
      this.#lastStatus = status;
      return true;
    }
    const counted = status === 'Downloading' ? { currentBytes: current, totalBytes: total } : {};
    this.#layers.set(id, { currentBytes: 0, totalBytes: 0, ...layer, ...counted, status, isTimed });
    return true;
  }

  /**
   * True while it waits for the disk, not for the registry: nothing is left to fetch and something to unpack, or a layer is being
   * unpacked of which no figures come.
   */
  get isUnpacking(): boolean {
    const unfinished = [...this.#layers.values()].filter(({ status }) => !doneStatuses.has(status));
    if (unfinished.some(({ isTimed }) => isTimed)) return true;
    return unfinished.length > 0 && unfinished.every(({ status }) => unpackingStatuses.has(status));
  }

  /** What has come from the registry so far, packed as it comes. */
  get fetchedBytes(): number {
    return [...this.#layers.values()].reduce((sum, layer) => sum + fetchedOf(layer), 0);
  }

  /** Such as `3 of 7 layers, 120 of 310 MB`; the bytes are of the layers whose download has begun. */
  toString(): string {
    if (this.#layers.size === 0) return this.#lastStatus;
    let layersDone = 0;
    let totalBytes = 0;
    for (const layer of this.#layers.values()) {
      if (doneStatuses.has(layer.status)) layersDone += 1;
      totalBytes += layer.totalBytes;
    }
    const layers = `${layersDone} of ${this.#layers.size} layers`;
    return totalBytes === 0
      ? layers
      : `${layers}, ${megabytes(this.fetchedBytes)} of ${megabytes(totalBytes)} MB`;
  }
}

/** A layer that was there already has no bytes to fetch. */
function fetchedOf({ status, currentBytes, totalBytes }: Layer): number {
  return doneStatuses.has(status) || unpackingStatuses.has(status) ? totalBytes : currentBytes;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
