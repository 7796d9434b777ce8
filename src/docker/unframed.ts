import { connect, type Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from './endpoint.js';

const LONGEST_HEAD_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';
/** After a small piece the next waits this long, so that it is larger: each piece costs much the same. */
const GATHER_MS = 10;
const SMALL_BYTES = 8 * 1024;

export interface UnframedGet {
  endpoint: Endpoint;
  pathAndQuery: string;
  signal: AbortSignal | undefined;
  /** What is read, until it is handed on. Many may share one: it is used within one callback only. */
  buffer: Uint8Array;
  /** Called when the body begins. */
  onOpen: () => void;
  /** Called with each piece of the body, valid during the call; no more is read while the promise it returns is open. */
  onBytes: (bytes: Buffer) => Promise<void> | undefined;
}

/**
 * Sends a GET over HTTP/1.0, where the answer's body is all that comes until the connection ends. In HTTP/1.1 the Engine
 * sends each line of a followed log as a chunk of its own, and to take them apart costs more than all else that is done
 * with the line. But then a connection that is lost looks like the end of the answer.
 * Resolves at that end; with false, and nothing is called, when the status is not 200 or a proxy has framed the body. Throws what the connection fails with,
 * and what the callbacks throw.
 */
export async function getUnframed(get: UnframedGet): Promise<boolean> {
  return new UnframedAnswer(get).read();
}

class UnframedAnswer {
  readonly #get: UnframedGet;
  readonly #socket: Socket;
  /** What has come of the head, until it is complete. */
  #head: Buffer | undefined = Buffer.alloc(0);
  #refused = false;
  #failure: { error: unknown } | undefined;

  constructor(get: UnframedGet) {
    this.#get = get;
    const onread = { buffer: get.buffer, callback: (length: number) => this.#take(length) };
    this.#socket = dial(get.endpoint, onread);
    this.#socket.on('error', (error) => this.#fail(error));
    if (get.signal !== undefined) addAbortSignal(get.signal, this.#socket);
    this.#socket.write(`GET ${get.pathAndQuery} HTTP/1.0\r\nHost: docker\r\n\r\n`);
  }

  /** Resolves when the connection has ended; says whether it was an answer. */
  async read(): Promise<boolean> {
    await new Promise((resolve) => this.#socket.on('close', resolve));
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#head !== undefined) throw new Error('the connection ended within the head of an answer');
    return !this.#refused;
  }

  /** Takes so many bytes of the buffer. Says whether to go on reading at once. */
  #take(length: number): boolean {
    const { buffer, onBytes } = this.#get;
    try {
      const body = this.#bodyIn(Buffer.from(buffer.buffer, buffer.byteOffset, length));
      const taken = body.length === 0 ? undefined : onBytes(body);
      if (taken === undefined && length >= SMALL_BYTES) return true;
      void this.#goOnAfter(taken, length);
    } catch (error) {
      this.#fail(error);
    }
    return false;
  }

  /** Takes the head of the answer off; what is left is body. */
  #bodyIn(bytes: Buffer): Buffer {
    if (this.#head === undefined) return bytes;
    const read = Buffer.concat([this.#head, bytes]);
    const end = read.indexOf(HEAD_END);
    if (end === -1) {
      if (read.length > LONGEST_HEAD_BYTES) throw new Error('the head of an answer has no end');
      this.#head = read;
      return NOTHING;
    }
    this.#head = undefined;
    const head = read.toString('latin1', 0, end);
    this.#refused = !/^HTTP\/1\.[01] 200 /.test(head) || /^transfer-encoding:/im.test(head);
    if (this.#refused) {
      this.#socket.destroy();
      return NOTHING;
    }
    this.#get.onOpen();
    return read.subarray(end + HEAD_END.length);
  }

  async #goOnAfter(taken: Promise<void> | undefined, length: number): Promise<void> {
    try {
      await taken;
      if (length < SMALL_BYTES) await delay(GATHER_MS);
      this.#socket.resume();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#socket.destroy();
  }
}

function dial(
  endpoint: Endpoint,
  onread: { buffer: Uint8Array; callback: (bytes: number) => boolean },
): Socket {
  if (endpoint.kind === 'unix') return connect({ path: endpoint.socketPath, onread });
  const { hostname, port, tls } = endpoint;
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port, keepAlive: true, onread };
  return tls === undefined ? connect(address) : connectTls({ ...address, ...tls });
}
