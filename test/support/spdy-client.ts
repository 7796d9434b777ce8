import { EventEmitter } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { headerDictionary } from '../../src/streaming/spdy/dictionary.js';
import { FLAG_FIN, FrameReader, FrameType } from '../../src/streaming/spdy/frame-reader.js';
import { dataHeader } from '../../src/streaming/spdy/frames.js';
import { deflateSync } from 'node:zlib';

/** A refused upgrade. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, body: string) {
    super(`HTTP ${status}: ${body}`);
    this.status = status;
  }
}

/** Asks for an upgrade; answers the connection and the response's headers. Rejects with Refused. */
export async function upgrade(
  url: string,
  headers: http.OutgoingHttpHeaders,
  method = 'POST',
): Promise<{ socket: Socket; head: Buffer; response: http.IncomingMessage }> {
  const request = http.request(url, { method, headers: { Connection: 'Upgrade', ...headers }, agent: false });
  request.end();
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('upgrade', (response, socket: Socket, head) => resolve({ socket, head, response }));
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => reject(new Refused(response.statusCode ?? 0, body.trim())));
    });
  });
}

/** A header block of stored deflate blocks; the first on a connection carries the zlib header. */
export function headerBlock(headers: Record<string, string>, first: boolean): Buffer {
  const word = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const entries = Object.entries(headers);
  const plain = Buffer.concat([
    word(entries.length),
    ...entries.flat().flatMap((text) => [word(text.length), Buffer.from(text)]),
  ]);
  const stored = Buffer.alloc(5);
  stored.writeUInt16LE(plain.length, 1);
  stored.writeUInt16LE(0xffff - plain.length, 3);
  const zlibHeader = deflateSync('', { dictionary: headerDictionary() }).subarray(0, 6);
  return Buffer.concat([
    first ? zlibHeader : Buffer.alloc(0),
    stored,
    plain,
    Buffer.from('000000ffff', 'hex'),
  ]);
}

export function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(0x8003, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(payload.length, 4);
  header.writeUInt8(flags, 4);
  return Buffer.concat([header, payload]);
}

export function synStream(id: number, headers: Record<string, string>, first: boolean, flags = 0): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt32BE(id, 0);
  return controlFrame(FrameType.SYN_STREAM, flags, Buffer.concat([head, headerBlock(headers, first)]));
}

/** One stream of the client's. Emits `data` (Buffer), `end` and `reset`. */
export class ClientStream extends EventEmitter {
  readonly id: number;
  readonly #client: SpdyClient;
  ended = false;
  reset = false;
  replied = false;

  constructor(id: number, client: SpdyClient) {
    super();
    this.id = id;
    this.#client = client;
  }

  /** Resolves when the connection takes more. */
  async write(bytes: Buffer): Promise<void> {
    await this.#client.send(Buffer.concat([dataHeader(this.id, 0, bytes.length), bytes]));
  }

  async end(): Promise<void> {
    await this.#client.send(dataHeader(this.id, FLAG_FIN, 0));
  }

  async sendReset(): Promise<void> {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(this.id, 0);
    payload.writeUInt32BE(5, 4);
    await this.#client.send(controlFrame(FrameType.RST_STREAM, 0, payload));
  }

  /** All that comes until the end; rejects on a reset or a lost connection. */
  async bytes(): Promise<Buffer> {
    const pieces: Buffer[] = [];
    this.on('data', (piece: Buffer) => pieces.push(Buffer.from(piece)));
    await this.finished();
    return Buffer.concat(pieces);
  }

  async finished(): Promise<void> {
    if (this.ended) return;
    await new Promise<void>((resolve, reject) => {
      this.once('end', resolve);
      this.once('reset', () => reject(new Error(`stream ${this.id} was reset`)));
      this.#client.socket.once('close', () => {
        if (!this.ended) reject(new Error(`stream ${this.id}: the connection was lost`));
      });
    });
  }
}

/** The client's side of a SPDY connection, as Kubernetes' clients behave: no windows, streams with odd numbers. */
export class SpdyClient {
  readonly socket: Socket;
  readonly #streams = new Map<number, ClientStream>();
  #nextId = 1;
  /** Settles when the socket takes more. */
  #room: Promise<void> | undefined;

  constructor(socket: Socket, head: Buffer) {
    this.socket = socket;
    const reader = new FrameReader({
      onData: (id, piece, fin) => {
        const stream = this.#streams.get(id);
        if (stream?.replied === false) throw new Error('data before the reply');
        if (piece.length > 0) stream?.emit('data', piece);
        if (fin && stream !== undefined) {
          stream.ended = true;
          stream.emit('end');
        }
      },
      onControl: (type, _flags, payload) => {
        const stream = payload.length >= 4 ? this.#streams.get(payload.readUInt32BE(0)) : undefined;
        if (stream === undefined) return;
        if (type === FrameType.SYN_REPLY) stream.replied = true;
        if (type !== FrameType.RST_STREAM) return;
        stream.reset = true;
        stream.emit('reset');
      },
    });
    socket.setMaxListeners(0); // each stream waits for its close
    socket.on('error', () => undefined);
    socket.unshift(head);
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  }

  static async connect(
    url: string,
    protocols: string,
    extra: http.OutgoingHttpHeaders = {},
  ): Promise<SpdyClient> {
    const headers = { Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': protocols };
    const { socket, head } = await upgrade(url, { ...extra, ...headers });
    return new SpdyClient(socket, head);
  }

  async open(headers: Record<string, string>): Promise<ClientStream> {
    const stream = new ClientStream(this.#nextId, this);
    this.#streams.set(stream.id, stream);
    this.#nextId += 2;
    await this.send(synStream(stream.id, headers, stream.id === 1));
    return stream;
  }

  async send(bytes: Buffer): Promise<void> {
    if (this.socket.write(bytes) || this.socket.destroyed) return;
    await (this.#room ??= new Promise<void>((resolve) => {
      const done = () => {
        this.#room = undefined;
        this.socket.off('drain', done).off('close', done);
        resolve();
      };
      this.socket.on('drain', done).on('close', done);
    }));
  }

  destroy(): void {
    this.socket.destroy();
  }
}
