import { closeSync, constants, openSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** The kernel's log, a record a read; without waiting for the next one. Only root may read it. */
const KERNEL_LOG = '/dev/kmsg';
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;
/** No record is longer. */
const RECORD_BYTES = 8_192;
/** Records that are read in one go. */
const RECORDS_A_STEP = 64;
/** Containers that are remembered. */
const MOST_IDS = 4_096;

/** `priority,number,time,flags;text`: the kernel's own records are of facility 0, which nobody else can write. */
const RECORD = /^([0-7]),\d+,\d+,[^;]*;oom-kill:.*,task_memcg=([^,]*),task=/;
/** The outermost container of a cgroup's path. */
const CONTAINER_ID = /[0-9a-f]{64}/;

/**
 * The containers of which the kernel has killed a process because memory ran out, as its log tells it: the name of the
 * killed process's cgroup is in it before the process is gone. Each record is read once, when somebody asks.
 */
export class MemoryKills {
  readonly #path: string;
  readonly #buffer = Buffer.allocUnsafe(RECORD_BYTES);
  readonly #ids = new Set<string>();
  #fd: number | undefined;
  #rest = '';
  #reading: Promise<void> | undefined;

  constructor(path = KERNEL_LOG) {
    this.#path = path;
  }

  /**
   * Says whether the kernel's log, as far as it goes back, tells of such a kill in this container. False also where the log
   * cannot be read, and where the kernel has left the record out: of more than ten kills within five seconds it tells less.
   */
  async has(containerId: string): Promise<boolean> {
    // A reading that is under way goes on until there is no more: what has happened by now is part of it.
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    await this.#reading;
    return this.#ids.has(containerId);
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  async #read(): Promise<void> {
    try {
      this.#fd ??= openSync(this.#path, FLAGS);
      for (let records = 1; this.#readOne(this.#fd); records += 1) {
        if (records % RECORDS_A_STEP === 0) await setImmediate();
      }
    } catch {
      this.#close(); // the next one who asks tries anew
    }
  }

  /** False when there is no more. */
  #readOne(fd: number): boolean {
    try {
      const bytes = readSync(fd, this.#buffer);
      if (bytes === 0) return false;
      const lines = (this.#rest + this.#buffer.toString('latin1', 0, bytes)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
      return true;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EAGAIN') return false;
      if (code === 'EPIPE') return true; // some were overwritten before they were read
      throw error;
    }
  }

  #take(line: string): void {
    const id = CONTAINER_ID.exec(RECORD.exec(line)?.[2] ?? '')?.[0];
    if (id === undefined) return;
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > MOST_IDS && oldest !== undefined) this.#ids.delete(oldest);
  }
}
