import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { normalize } from 'node:path';
import { holdingMount, parseMountinfo } from '../convert/text/mountinfo.js';
import { Code, CriError } from '../util/cri-error.js';
import { Slots } from '../util/slots.js';
import { makeIfMissing } from './missing-folders.js';
import { propagationOf, type Propagation } from './mount-propagation.js';

/**
 * So many of libuv's four threads may stand still at file systems that do not answer, and then one more at what looks like a disk of
 * this node; the last serves all other files.
 */
const MOST_HUNG = 2;
const MOST_HUNG_LOCAL = 1;
/** A file system that is mounted by being looked at, as by autofs, takes a second or two. */
const ANSWER_TIMEOUT_MS = 5_000;
/** File systems that no other machine has to answer for, as a rule, and no program. */
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
  readonly #any = new Threads(MOST_HUNG);
  readonly #local = new Threads(MOST_HUNG_LOCAL);

  /** Those that a path may hold up; undefined where all of them hang. */
  async of(path: string): Promise<Threads | undefined> {
    if (this.#any.areLeft) return this.#any;
    return this.#local.areLeft && (await isLocal(path)) ? this.#local : undefined;
  }
}

/** So many threads. */
class Threads {
  /** Lookups that were given up, and that still hold their thread. */
  hung = 0;
  readonly #count: number;
  readonly #slots: Slots;

  constructor(count: number) {
    this.#count = count;
    this.#slots = new Slots(count);
  }

  get areLeft(): boolean {
    return this.hung < this.#count;
  }

  /** As `Slots.take`. */
  async take(): Promise<() => void> {
    return this.#slots.take();
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
   * once as long as it does not. Undefined, as for unknown, where all threads that the path may hold up hang, or for so long.
   */
  async find(path: string): Promise<T | undefined> {
    const known = this.#lookups.get(path);
    if (known?.isHung === true) throw unanswered(path, this.#timeoutMs);
    if (known !== undefined) return known.answer;
    const threads = await this.#threads.of(path);
    if (threads === undefined) return undefined;
    return (this.#lookups.get(path) ?? this.#begin(path, threads)).answer;
  }

  #begin(path: string, threads: Threads): Lookup<T> {
    let isLooking = false;
    let isOver = false;
    const forget = (): void => {
      isOver = true;
      this.#lookups.delete(path);
    };
    const looked = async (): Promise<T | undefined> => {
      const free = await threads.take();
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
          threads.hung += 1;
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
          if (lookup.isHung) threads.hung -= 1;
          if (!isOver) forget();
        });
    });
    const lookup: Lookup<T> = { answer: inTime, isHung: false };
    this.#lookups.set(path, lookup);
    return lookup;
  }
}

/** By the path as it is written, which may yet lead to another place by a link. */
async function isLocal(path: string): Promise<boolean> {
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  return LOCAL_TYPES.has(holdingMount(mounts, normalize(path))?.type ?? '');
}

function unanswered(path: string, timeoutMs: number): CriError {
  const message = `${path} does not answer within ${timeoutMs} ms: the file system that holds it hangs`;
  return new CriError(Code.UNAVAILABLE, message);
}
