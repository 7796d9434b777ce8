import type { Duplex } from 'node:stream';
import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { envelopes, type RequestEnvelope, type ResponseEnvelope } from './envelopes.js';
import { muxFrames, MuxReader, PLUGIN_CONNECTION, RUNTIME_CONNECTION } from './mux.js';
import { MessageType, TtrpcReader, ttrpcMessage, type TtrpcMessage } from './ttrpc-frames.js';

/** Answers a call of the other side; what it throws is its status. */
export type Serve = (service: string, method: string, payload: Buffer) => Promise<Uint8Array>;

/** Why a call has no answer: it came too late, or the connection has ended. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
  readonly isLate: boolean;

  constructor(message: string, isLate = false) {
    super(message);
    this.isLate = isLate;
  }
}

/** A status that the other side answered with, in gRPC's numbers. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** A call of the other side, by the stream that its answer belongs to. */
interface Asked {
  readonly stream: number;
  readonly request: RequestEnvelope;
  readonly bytes: number;
}

interface Waiting {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** So many calls of the other side are answered at a time; others wait, also so many and so large ones at most. */
const MAX_SERVED = 16;
const MAX_QUEUED = 4_096;
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
const MAX_STATUS_CHARS = 4_096;
/** What may wait to be read by the other side. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;

/**
 * One connection of NRI: calls go out on its first inner connection, and those of the other side come in on the second. Whatever
 * breaks the protocol ends it; `closed` tells why.
 */
export class Link {
  readonly #socket: Duplex;
  readonly #serve: Serve;
  readonly #waiting = new Map<number, Waiting>();
  readonly #closed: Promise<string>;
  readonly #queued: Asked[] = [];
  #queuedBytes = 0;
  #nextStream = 1;
  #served = 0;
  #reason: string | undefined;
  #isBroken = false;

  constructor(socket: Duplex, serve: Serve) {
    this.#socket = socket;
    this.#serve = serve;
    const answers = new TtrpcReader((message) => this.#onAnswer(message));
    const calls = new TtrpcReader((message) => this.#onCall(message));
    const mux = new MuxReader((connection, payload) => {
      if (this.#reason !== undefined) return;
      if (connection === PLUGIN_CONNECTION) answers.push(payload);
      else if (connection === RUNTIME_CONNECTION) calls.push(payload);
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        if (this.#reason === undefined) mux.push(chunk);
      } catch (error) {
        this.close(`it broke the protocol: ${messageOf(error)}`);
      }
    });
    socket.on('error', (error) => this.close(`its connection failed: ${messageOf(error)}`));
    socket.on('end', () => this.#end('it closed its connection'));
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#end('its connection ended');
        resolve(this.#reason ?? '');
      });
    });
  }

  /** Resolves with the reason once the connection has ended. */
  get closed(): Promise<string> {
    return this.#closed;
  }

  /** True when the other side did not end it by itself. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Undefined while it is open. */
  get closeReason(): string | undefined {
    return this.#reason;
  }

  /**
   * Calls the other side. Throws a LinkError when there is no answer in time or the connection ends, a RemoteError for a status
   * that it answers with, a RangeError for a message that is too long.
   */
  call(service: string, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const request = envelopes.encodeRequest({
      service,
      method,
      payload,
      timeout_nano: String(BigInt(Math.ceil(timeoutMs)) * 1_000_000n),
    });
    const stream = this.#nextStream;
    const message = ttrpcMessage({ stream, type: MessageType.REQUEST, payload: request });
    if (this.#reason !== undefined) return Promise.reject(new LinkError(this.#reason));
    this.#nextStream += 2;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(stream);
        reject(new LinkError(`no answer for ${timeoutMs / 1_000}s`, true));
      }, timeoutMs);
      this.#waiting.set(stream, { resolve, reject, timer });
      this.#send(PLUGIN_CONNECTION, message);
    });
  }

  /** Ends the connection and what waits for it, for something that the other side has done. The first reason counts. */
  close(reason: string): void {
    this.#isBroken ||= this.#reason === undefined;
    this.#end(reason);
  }

  #end(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new LinkError(reason));
    }
    this.#waiting.clear();
    this.#queued.length = 0;
    this.#socket.destroy();
  }

  #send(connection: number, message: Buffer): void {
    this.#socket.write(muxFrames(connection, message));
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.close('it does not read what it is told');
  }

  #onAnswer({ stream, type, payload }: TtrpcMessage): void {
    if (type !== MessageType.RESPONSE) throw new Error(`a message of type ${type} where an answer belongs`);
    if (stream % 2 === 0 || stream >= this.#nextStream)
      throw new Error('an answer that nobody has asked for');
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined) return; // it comes too late
    const response = envelopes.decodeResponse(payload);
    this.#waiting.delete(stream);
    clearTimeout(waiting.timer);
    const { status } = response;
    if (status !== null && status.code !== 0) waiting.reject(new RemoteError(status.code, status.message));
    else waiting.resolve(response.payload);
  }

  /** What waits is bounded here, and not by reading no further: answers come in behind it. */
  #onCall({ stream, type, payload }: TtrpcMessage): void {
    if (type !== MessageType.REQUEST) throw new Error(`a message of type ${type} where a call belongs`);
    if (this.#queued.length >= MAX_QUEUED || this.#queuedBytes + payload.length > MAX_QUEUED_BYTES) {
      throw new Error('more calls at a time than are answered');
    }
    const request = envelopes.decodeRequest(payload);
    this.#queued.push({ stream, request, bytes: payload.length });
    this.#queuedBytes += payload.length;
    this.#serveNext();
  }

  #serveNext(): void {
    while (this.#served < MAX_SERVED) {
      const next = this.#queued.shift();
      if (next === undefined) return;
      this.#queuedBytes -= next.bytes;
      this.#served += 1;
      void this.#answer(next).then((answer) => {
        this.#served -= 1;
        if (this.#reason !== undefined) return;
        this.#send(RUNTIME_CONNECTION, answer);
        this.#serveNext();
      });
    }
  }

  async #answer({ stream, request }: Asked): Promise<Buffer> {
    const message = (response: ResponseEnvelope): Buffer =>
      ttrpcMessage({ stream, type: MessageType.RESPONSE, payload: envelopes.encodeResponse(response) });
    try {
      const { service, method, payload } = request;
      return message({ status: null, payload: await this.#serve(service, method, Buffer.from(payload)) });
    } catch (error) {
      const code = error instanceof CriError ? error.code : Code.UNKNOWN;
      const text = messageOf(error).slice(0, MAX_STATUS_CHARS);
      return message({ status: { code, message: text }, payload: Buffer.alloc(0) });
    }
  }
}
