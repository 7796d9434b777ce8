import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { WebSocketLink } from './link.js';

/** SPDY's bytes in binary messages, for clients behind proxies that know WebSocket only (Kubernetes 1.30). */
export const TUNNEL_PROTOCOL = 'SPDY/3.1+portforward.k8s.io';

const HIGH_WATER_MARK_BYTES = 256 * 1024;

/** The byte stream that a WebSocket's messages make. SPDY itself sees to how long it may be idle. */
export class Tunnel extends Duplex {
  readonly #link: WebSocketLink;

  constructor(webSocket: WebSocket, socket: Duplex) {
    super({ readableHighWaterMark: HIGH_WATER_MARK_BYTES, writableHighWaterMark: HIGH_WATER_MARK_BYTES });
    this.#link = new WebSocketLink(webSocket, socket, {
      onMessage: (message) => {
        if (!this.destroyed && !this.push(message)) this.#link.pause();
      },
      onClose: () => this.destroy(),
    });
  }

  override _read(): void {
    this.#link.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#link.send(chunk, true, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#link.send(Buffer.concat(chunks.map(({ chunk }) => chunk)), true, done);
  }

  override _final(done: () => void): void {
    this.#link.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#link.terminate();
    done(error);
  }
}
