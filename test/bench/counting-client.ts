import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { FLAG_FIN } from '../../src/streaming/spdy/frame-reader.js';
import { dataHeader } from '../../src/streaming/spdy/frames.js';
import { synStream } from '../support/spdy-client.js';

const FRAME_HEAD_BYTES = 8;
const READ_BYTES = 1024 * 1024;

/** Told of each piece of a stream: its length, and whether it is the last. */
type OnPiece = (byteCount: number, last: boolean) => void;

/**
 * A client of port-forward over SPDY that only counts what it gets, reading into one large buffer: so that the bench
 * measures the server.
 */
export class CountingClient {
  readonly #socket: Socket;
  readonly #port: string;
  readonly #streams = new Map<number, OnPiece>();
  readonly #upgraded: Promise<unknown>;
  #nextId = 1;
  /** What has come of the HTTP answer, until it is complete. */
  #answer: string | undefined = '';
  #head = Buffer.alloc(0);
  /** Of the frame that is being read. */
  #left = 0;
  #stream = 0;
  #fin = false;

  private constructor(url: string, port: string) {
    const { hostname, port: serverPort, pathname, host } = new URL(url);
    this.#port = port;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const callback = (length: number): boolean => {
      this.#read(buffer.subarray(0, length));
      return true;
    };
    this.#socket = connect({
      host: hostname,
      port: Number(serverPort),
      noDelay: true,
      onread: { buffer, callback },
    });
    const headers = [
      `Host: ${host}`,
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      'X-Stream-Protocol-Version: portforward.k8s.io',
    ];
    this.#socket.write(`POST ${pathname} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    this.#upgraded = once(this.#socket, 'upgraded');
  }

  /** Connects to what `url` names; connections will go to `port` in the pod. */
  static async open(url: string, port: string): Promise<CountingClient> {
    const client = new CountingClient(url, port);
    await client.#upgraded;
    return client;
  }

  /** Makes a connection and waits for the first byte on it, which the server sends unasked. */
  async firstByte(): Promise<void> {
    await this.#receive(1);
  }

  /** As `firstByte`, but leaves the connection open. */
  async hold(): Promise<void> {
    await this.#receive(1, '', false);
  }

  /** As `firstByte`, and asks the server for so many bytes more. */
  async download(byteCount: number): Promise<void> {
    await this.#receive(1 + byteCount, String(byteCount));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Sends `request` on a connection of its own, waits for so many bytes, not for the end, and ends it if it is to. */
  async #receive(byteCount: number, request = '', ends = true): Promise<void> {
    const errorId = this.#nextId;
    const id = errorId + 2;
    this.#nextId += 4;
    const headers = { port: this.#port, requestid: String(id) };
    let left = byteCount;
    const received = new Promise<void>((resolve, reject) => {
      this.#streams.set(id, (length, last) => {
        left -= length;
        if (left > 0 && last) reject(new Error(`a connection ended ${left} bytes early`));
        if (left <= 0) resolve();
      });
    });
    this.#socket.write(
      Buffer.concat([
        synStream(errorId, { ...headers, streamtype: 'error' }, errorId === 1, FLAG_FIN),
        synStream(id, { ...headers, streamtype: 'data' }, false),
        dataHeader(id, 0, request.length),
        Buffer.from(request),
      ]),
    );
    await received;
    this.#streams.delete(id);
    if (ends) this.#socket.write(dataHeader(id, FLAG_FIN, 0));
  }

  #read(bytes: Buffer): void {
    for (let at = this.#answer === undefined ? 0 : this.#readAnswer(bytes); at < bytes.length;) {
      if (this.#left > 0) {
        const length = Math.min(this.#left, bytes.length - at);
        at += length;
        this.#left -= length;
        this.#tell(length);
      } else {
        const piece = bytes.subarray(at, at + FRAME_HEAD_BYTES - this.#head.length);
        at += piece.length;
        this.#head = Buffer.concat([this.#head, piece]);
        if (this.#head.length === FRAME_HEAD_BYTES) this.#beginFrame(this.#head);
      }
    }
  }

  /** Says where the frames begin. */
  #readAnswer(bytes: Buffer): number {
    const before = this.#answer?.length ?? 0;
    this.#answer = (this.#answer ?? '') + bytes.toString('latin1');
    const end = this.#answer.indexOf('\r\n\r\n');
    if (end === -1) return bytes.length;
    if (!this.#answer.startsWith('HTTP/1.1 101 ')) throw new Error(`refused: ${this.#answer}`);
    this.#answer = undefined;
    this.#socket.emit('upgraded');
    return end + 4 - before;
  }

  #beginFrame(head: Buffer): void {
    const isControl = (head.readUInt8(0) & 0x80) !== 0;
    this.#stream = isControl ? 0 : head.readUInt32BE(0);
    this.#fin = !isControl && (head.readUInt8(4) & FLAG_FIN) !== 0;
    this.#left = head.readUIntBE(5, 3);
    this.#head = Buffer.alloc(0);
    if (this.#left === 0) this.#tell(0);
  }

  #tell(length: number): void {
    this.#streams.get(this.#stream)?.(length, this.#fin && this.#left === 0);
  }
}
