import { readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Open files of a container's processes. */
export interface DescriptorCount {
  readonly descriptors: number;
  readonly sockets: number;
}

/** A count is made anew when it is asked for and this old. */
const FRESH_MS = 15_000;

/** What one turn of the event loop may look at: about 4 µs each. */
const LINKS_A_TURN = 500;

interface Entry {
  count: DescriptorCount | undefined;
  countedAtMs: number;
  /** A count is under way. */
  busy: boolean;
}

/**
 * Counts of open files and sockets by container. /proc has them only one by one, so they are counted off the request
 * path, in small steps, and only while somebody asks for them; the first answer for a container with few files is
 * counted at once.
 */
export class DescriptorCensus {
  readonly #entries = new Map<string, Entry>();

  /** The latest count; undefined while there is none. `pids` are the container's processes now. */
  of(id: string, pids: () => readonly string[]): DescriptorCount | undefined {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { count: undefined, countedAtMs: -Infinity, busy: false };
      this.#entries.set(id, entry);
    }
    if (!entry.busy && performance.now() - entry.countedAtMs >= FRESH_MS) this.#refresh(entry, pids());
    return entry.count;
  }

  forget(id: string): void {
    this.#entries.delete(id);
  }

  #refresh(entry: Entry, pids: readonly string[]): void {
    entry.countedAtMs = performance.now();
    const folders = pids.map((pid) => `/proc/${pid}/fd`);
    const steps = countInSteps(folders);
    if (entry.count === undefined) {
      const first = steps.next();
      if (first.done === true) {
        entry.count = first.value;
        return;
      }
    }
    entry.busy = true;
    void finish(steps).then((count) => {
      entry.count = count;
      entry.busy = false;
    });
  }
}

async function finish(steps: Generator<undefined, DescriptorCount>): Promise<DescriptorCount> {
  for (;;) {
    await nextTurn();
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Yields when it has done as much as one turn may. */
function* countInSteps(folders: readonly string[]): Generator<undefined, DescriptorCount> {
  let descriptors = 0;
  let sockets = 0;
  let sinceYield = 0;
  for (const folder of folders) {
    for (const name of entriesOf(folder)) {
      descriptors += 1;
      if (isSocket(`${folder}/${name}`)) sockets += 1;
      sinceYield += 1;
      if (sinceYield >= LINKS_A_TURN) {
        sinceYield = 0;
        yield;
      }
    }
  }
  return { descriptors, sockets };
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // the process has ended
  }
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:');
  } catch {
    return false; // closed meanwhile
  }
}
