import { EventEmitter, once } from 'node:events';
import type { OutputStream } from '../../src/docker/demux.js';
import type { LogMessage, LogReadOptions } from '../../src/docker/engine.js';
import { abortError } from '../../src/docker/errors.js';

/** The logs of the fake Engine's containers: what `write` is told that they wrote. */
export class FakeLogs {
  readonly #messages = new Map<string, LogMessage[]>();
  readonly #changes = new EventEmitter().setMaxListeners(0);

  /** One message, with its newline if it has one, at this time (nine digits and `Z`). */
  write(id: string, stream: OutputStream, text: string | Buffer, time: string): void {
    const bytes = Buffer.concat([Buffer.from(`${time} `), Buffer.from(text)]);
    this.#of(id).push({ stream, bytes });
    this.#changes.emit(id);
  }

  /** Drops the oldest messages, as an Engine that rotates its files. */
  drop(id: string, count: number): void {
    this.#of(id).splice(0, count);
  }

  /** Ends the readings that follow this container. */
  ended(id: string): void {
    this.#changes.emit(id);
  }

  async read(id: string, running: () => boolean, options: LogReadOptions): Promise<void> {
    const { follow, since, tail = Infinity, signal, onOpen, onMessages } = options;
    onOpen?.();
    const all = this.#of(id);
    let next = all.findIndex(({ bytes }) => since === undefined || secondsOf(bytes) >= Number(since));
    if (next === -1) next = all.length;
    next = Math.max(next, all.length - tail);
    for (;;) {
      const messages = all.slice(next);
      next = all.length;
      if (messages.length > 0) await onMessages(messages);
      if (next < all.length) continue;
      if (!follow || !running()) return;
      try {
        await once(this.#changes, id, { signal });
      } catch {
        throw abortError(signal?.reason);
      }
    }
  }

  #of(id: string): LogMessage[] {
    const messages = this.#messages.get(id) ?? [];
    this.#messages.set(id, messages);
    return messages;
  }
}

function secondsOf(bytes: Buffer): number {
  return Date.parse(bytes.toString('latin1', 0, 30)) / 1000;
}
