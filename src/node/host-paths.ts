import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { holdingMount, parseMountinfo } from '../convert/text/mountinfo.js';
import { Code, CriError } from '../util/cri-error.js';
import { Slots } from '../util/slots.js';
import { makeIfMissing } from './missing-folders.js';
import { propagationOf, type Propagation } from './mount-propagation.js';

/** So many of libuv's four threads may stand still at file systems that do not answer; the others serve all other files. */
const MOST_HUNG = 2;
/** A file system that is mounted by being looked at, as by autofs, takes a second or two. */
const ANSWER_TIMEOUT_MS = 5_000;
/** File systems that no other machine, and no program, has to answer for. */
const LOCAL_TYPES: ReadonlySet<string> = new Set([
  'btrfs',
  'devtmpfs',
  'ext2',
  'ext3',
  'ext4',
  'f2fs',
  'overlay',
  'tmpfs',
  'vfat',
  'xfs',
  'zfs',
]);

/** What paths of the node are looked up for that requests name. */
export interface HostPaths {
  /** As `makeIfMissing`. */
  readonly folders: HostLookup<void>;
  /** As `propagationOf`. */
  readonly propagations: HostLookup<Propagation | undefined>;
  readonly stats: HostLookup<Stats>;
}

/** Lookups that share the threads which they may hold up. */
export function hostPaths(): HostPaths {
  const threads = new LookupThreads();
  return {
    folders: new HostLookup(threads, makeIfMissing),
    propagations: new HostLookup(threads, propagationOf),
    stats: new HostLookup(threads, (path) => stat(path)),
  };
}

/** The threads that lookups may hold up. */
export class LookupThreads {
  readonly #slots = new Slots(MOST_HUNG);
  /** Lookups that were given up, and that still hold their thread. */
  hung = 0;

  get areAllHung(): boolean {
    return this.hung >= MOST_HUNG;
  }

  /** As `Slots.take`. Where none will be free, what is certain to end goes ahead. */
  async take(): Promise<() => void> {
    return this.areAllHung ? () => undefined : this.#slots.take();
  }
}

/** One lookup for all who ask for its path meanwhile. */
interface Lookup<T> {
  /** Settles in time. */
  readonly answer: Promise<T | undefined>;
  isHung: boolean;
}

/**
 * Looks up paths that may be on a file system which no longer answers, such as an NFS share whose server is gone. No call of the
 * system on it can be given up, and each holds a thread until the server is back: a path is looked up once at a time, and few
 * are at once.
 */
export class HostLookup<T> {
  readonly #threads: LookupThreads;
  readonly #look: (path: string) => Promise<T>;
  readonly #timeoutMs: number;
  readonly #lookups = new Map<string, Lookup<T>>();

  constructor(threads: LookupThreads, look: (path: string) => Promise<T>, timeoutMs = ANSWER_TIMEOUT_MS) {
    this.#threads = threads;
    this.#look = look;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * What is found of the path, with the error of the lookup. UNAVAILABLE where its file system does not answer in time, and at
   * once as long as it does not. Undefined, as for unknown, where all threads that may hang do so, and the path is not on a disk of
   * this node.
   */
  async find(path: string): Promise<T | undefined> {
    const known = this.#lookups.get(path);
    if (known?.isHung === true) throw unanswered(path, this.#timeoutMs);
    if (known === undefined && this.#threads.areAllHung && !(await isLocal(path))) return undefined;
    return (this.#lookups.get(path) ?? this.#begin(path)).answer;
  }

  #begin(path: string): Lookup<T> {
    let isLooking = false;
    let isOver = false;
    const forget = (): void => {
      isOver = true;
      this.#lookups.delete(path);
    };
    const looked = async (): Promise<T | undefined> => {
      const free = await this.#threads.take();
      try {
        if (isOver) return undefined;
        isLooking = true;
        return await this.#look(path);
      } finally {
        free();
      }
    };
    const inTime = new Promise<T | undefined>((resolve, reject) => {
      const onTimeout = (): void => {
        if (isLooking) {
          lookup.isHung = true;
          this.#threads.hung += 1;
          reject(unanswered(path, this.#timeoutMs));
        } else {
          forget();
          resolve(undefined);
        }
      };
      const timer = setTimeout(onTimeout, this.#timeoutMs);
      void looked()
        .then(resolve, reject)
        .finally(() => {
          clearTimeout(timer);
          if (lookup.isHung) this.#threads.hung -= 1;
          if (!isOver) forget();
        });
    });
    const lookup: Lookup<T> = { answer: inTime, isHung: false };
    this.#lookups.set(path, lookup);
    return lookup;
  }
}

/** By the path as it is written: who has a link lead to another place gets no more than that lookup. */
async function isLocal(path: string): Promise<boolean> {
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  return LOCAL_TYPES.has(holdingMount(mounts, path)?.type ?? '');
}

function unanswered(path: string, timeoutMs: number): CriError {
  const message = `${path} does not answer within ${timeoutMs} ms: the file system that holds it hangs`;
  return new CriError(Code.UNAVAILABLE, message);
}
