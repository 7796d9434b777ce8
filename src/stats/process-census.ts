import { opendirSync, readlinkSync } from 'node:fs';
import type { Dir } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What /proc tells of a container's processes only one by one. */
export interface Census {
  /** Open files of all processes, and how many of them are sockets. */
  readonly descriptors: number;
  readonly sockets: number;
  /** Soft limit of the main process; undefined when it has none. */
  readonly openFilesLimit: number | undefined;
}

/** Whom to count. */
export interface Residents {
  readonly pids: readonly string[];
  readonly openFilesLimit: number | undefined;
}

/** A count is made anew when it is asked for and this old. */
const FRESH_MS = 15_000;

/** What one turn of the event loop may look at, descriptors and processes: some µs each. */
const LOOKS_A_TURN = 500;

type Steps = Generator<undefined, Census | undefined>;

interface Entry {
  census: Census | undefined;
  /** When the last count was asked for. */
  askedAtMs: number;
}

/**
 * Counts by container what would take too long for a request: one container after the other, in small steps off the
 * request path, and only while somebody asks. The first answer for a container with few files is counted at once.
 */
export class ProcessCensus {
  readonly #entries = new Map<string, Entry>();
  /** The counts to be made; resolves when all that were asked for are. Never rejects. */
  #counting: Promise<void> = Promise.resolve();

  /** The latest count; undefined while there is none. `look` is asked who is to be counted when that is to be done anew. */
  of(id: string, look: () => Residents): Census | undefined {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { census: undefined, askedAtMs: -Infinity };
      this.#entries.set(id, entry);
    }
    if (performance.now() - entry.askedAtMs >= FRESH_MS) {
      entry.askedAtMs = performance.now();
      if (entry.census === undefined) this.#countNow(entry, look);
      else this.#countLater(entry, look);
    }
    return entry.census;
  }

  forget(id: string): void {
    this.#entries.delete(id);
  }

  #countNow(entry: Entry, look: () => Residents): void {
    const steps = countInSteps(look());
    const first = steps.next();
    if (first.done === true) {
      entry.census = first.value;
      return;
    }
    steps.return(undefined);
    this.#countLater(entry, look);
  }

  #countLater(entry: Entry, look: () => Residents): void {
    this.#counting = this.#counting.then(async () => {
      await nextTurn();
      entry.census = await finish(countInSteps(look()));
    });
  }
}

async function finish(steps: Steps): Promise<Census | undefined> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await nextTurn();
  }
}

/** Yields when it has done as much as one turn may. `return` leaves it, and closes the folder that is being read. */
function* countInSteps({ pids, openFilesLimit }: Residents): Steps {
  let looks = 0;
  let descriptors = 0;
  let sockets = 0;
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`;
    for (const name of entriesOf(folder)) {
      descriptors += 1;
      if (isSocket(`${folder}/${name}`)) sockets += 1;
      if ((looks += 1) % LOOKS_A_TURN === 0) yield;
    }
    if ((looks += 1) % LOOKS_A_TURN === 0) yield;
  }
  return { descriptors, sockets, openFilesLimit };
}

/** The names in a folder, read from it as they are asked for: it may have millions. They end where the process has ended. */
function* entriesOf(folder: string): Generator<string, void> {
  let opened: Dir | undefined;
  try {
    opened = opendirSync(folder, { bufferSize: LOOKS_A_TURN });
    for (let entry; (entry = opened.readSync()) !== null;) yield entry.name;
  } catch {
    // The process has ended.
  } finally {
    opened?.closeSync();
  }
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:');
  } catch {
    return false; // closed meanwhile
  }
}
