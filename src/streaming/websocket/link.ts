import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';

/** While a reader is slow nothing is read, so a client that is gone shows only when something is written to it. */
const PROBE_EVERY_MS = 5_000;
/** Data that waits to be sent; above that its writers wait too. */
const MAX_BUFFERED_BYTES = 256 * 1024;

export interface LinkHandlers {
  readonly onMessage: (message: Buffer) => void;
  /** How long the connection may be idle, and what is called then; the client can be told still. */
  readonly idle?: { readonly timeoutMs: number; readonly onIdle: () => void };
  /** Called once, when the connection is over. */
  readonly onClose: () => void;
}

/** A paused WebSocket, which it resumes, with back-pressure in both directions and a bound on how long it may be idle. */
export class WebSocketLink {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #idle: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  #probe: NodeJS.Timeout | undefined;

  constructor(webSocket: WebSocket, socket: Duplex, handlers: LinkHandlers) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#idle = handlers.idle && setTimeout(handlers.idle.onIdle, handlers.idle.timeoutMs);
    webSocket.on('message', (data) => {
      this.#idle?.refresh();
      if (Buffer.isBuffer(data)) handlers.onMessage(data);
    });
    webSocket.on('close', () => {
      clearTimeout(this.#idle);
      clearInterval(this.#probe);
      this.#goOn();
      handlers.onClose();
    });
    socket.on('drain', () => this.#goOn());
    webSocket.resume();
  }

  /** Sends a message; calls back when the connection can take more, or takes nothing any more. */
  send(message: Buffer, binary: boolean, done: () => void): void {
    this.#idle?.refresh();
    if (this.#webSocket.readyState !== WebSocket.OPEN) {
      done();
      return;
    }
    this.#webSocket.send(message, { binary });
    if (this.#socket.writableLength < MAX_BUFFERED_BYTES) done();
    else this.#waiting.push(done);
  }

  pause(): void {
    if (this.#webSocket.isPaused) return;
    this.#webSocket.pause();
    this.#probe = setInterval(() => this.#webSocket.ping(), PROBE_EVERY_MS);
  }

  resume(): void {
    if (!this.#webSocket.isPaused) return;
    clearInterval(this.#probe);
    this.#webSocket.resume();
  }

  /** Says goodbye when everything was sent. */
  close(): void {
    this.resume();
    this.#webSocket.close(1000);
  }

  /** Gives the connection up at once. */
  terminate(): void {
    this.#webSocket.terminate();
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }
}
