import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { Code, CriError } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { withTimeLimit } from '../util/time-limit.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { linesOf, parseJson, readBytes, readText } from './body.js';
import type { CallOptions, Negotiated } from './engine.js';
import { abortError, isRefusedVersion, isResetConnection, responseError, transportError } from './errors.js';
import { apiVersionHeader, pickApiVersion } from './api-version.js';
import type { EngineRequest } from './engine-request.js';
import type { Transport } from './transport.js';
import type { EngineVersion } from './types.js';

/** An Engine that takes a connection but says nothing for this long counts as unreachable. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A change gets this many times what a read gets: more than any caller waits. */
const CHANGE_TIMEOUT_FACTOR = 4;

interface Agreement extends Negotiated {
  /** The `Api-Version` header of the handshake's answer; another one later means that the Engine was exchanged. */
  header: string;
}

/** Takes a piece of an answer; nothing more is read while the promise it returns is open. */
type OnChunk = (chunk: Buffer) => Promise<void> | undefined;

/** A request under the negotiated version. */
export interface SessionRequest extends EngineRequest {
  /** Sending it twice does no more than once, so it may be repeated after a reset connection. Always so for GET and DELETE. */
  idempotent?: boolean;
  /** How long the Engine is to wait before it begins, on top of what it is given anyway. */
  graceMs?: number;
  /** RESOURCE_EXHAUSTED for an answer that is longer, where it is read as a whole. */
  maxBytes?: number;
}

/**
 * The agreement with the Engine on an API version, and requests under it. The handshake happens on the first request,
 * is shared by all that wait for it, and is forgotten when the connection is lost or the Engine was exchanged.
 */
export class Session {
  readonly #transport: Transport;
  readonly #log: Logger;
  readonly #requestTimeoutMs: number;
  #agreement: Agreement | undefined;
  #handshake: Promise<Agreement> | undefined;

  constructor(transport: Transport, log: Logger, requestTimeoutMs: number) {
    this.#transport = transport;
    this.#log = log;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  get negotiated(): Negotiated | undefined {
    return this.#agreement;
  }

  /** A new handshake, or the one that is under way. */
  async negotiate(options: CallOptions = {}): Promise<Agreement> {
    this.#handshake ??= this.#performHandshake().finally(() => (this.#handshake = undefined));
    try {
      return await unlessAborted(this.#handshake, options.signal);
    } catch (error) {
      throw options.signal?.aborted === true ? abortError(options.signal.reason) : error;
    }
  }

  /** Sends a request and reads the JSON of its answer; undefined when the answer has no body (204, 304). */
  json(request: SessionRequest): Promise<unknown> {
    return this.#limited(request, async (limited) => {
      const response = await this.#open(limited);
      const text = await this.#connected(limited, () => readText(response, request.maxBytes));
      return text === '' ? undefined : parseJson(text, `${request.method} ${request.path}`);
    });
  }

  /** Sends a request with a stream, which can be sent once, and waits for the answer, however long that takes. */
  async upload(request: SessionRequest): Promise<void> {
    const response = await this.#attempt(request, (versioned) => this.#transport.send(versioned));
    await this.#connected(request, () => readText(response));
  }

  /** Sends a request; its headers, and its body as bytes. */
  bytes(request: SessionRequest): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> {
    return this.#limited(request, async (limited) => {
      const response = await this.#open(limited);
      const body = await this.#connected(limited, () => readBytes(response, request.maxBytes));
      return { headers: response.headers, body };
    });
  }

  /** Sends a request and calls `onLine` for each line of its answer, until that ends. */
  async lines(request: SessionRequest, onOpen: () => void, onLine: (line: string) => void): Promise<void> {
    const response = await this.#open(request);
    onOpen();
    await this.#connected(request, async () => {
      for await (const line of linesOf(response)) onLine(line);
    });
  }

  /** Sends a request and calls `onChunk` for each piece of its answer; what that throws is thrown as it is. */
  async chunks(request: SessionRequest, onOpen: () => void, onChunk: OnChunk): Promise<void> {
    const response = await this.#open(request);
    onOpen();
    let failure: { error: unknown } | undefined;
    await this.#connected(request, async () => {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        try {
          await onChunk(chunk);
        } catch (error) {
          failure = { error };
          break;
        }
      }
    });
    if (failure !== undefined) throw failure.error;
  }

  /**
   * As `chunks`, for less work with small pieces. But a piece is valid during the call of `onChunk` only, and a connection
   * that is lost looks like the end of the answer.
   */
  async unframedChunks(request: SessionRequest, onOpen: () => void, onChunk: OnChunk): Promise<void> {
    const { apiVersion } = this.#agreement ?? (await this.negotiate(request));
    let failure: { error: unknown } | undefined;
    const onBytes = (bytes: Buffer): Promise<void> | undefined => {
      try {
        return onChunk(bytes)?.catch(note);
      } catch (error) {
        return note(error);
      }
    };
    const note = (error: unknown): never => {
      failure = { error };
      throw error;
    };
    const isAnswer = await this.#connected(request, async () => {
      try {
        const versioned = { ...request, path: `/v${apiVersion}${request.path}` };
        return await this.#transport.readUnframed(versioned, { onOpen, onBytes });
      } catch (error) {
        if (failure === undefined) throw error;
        return true;
      }
    });
    if (failure !== undefined) throw failure.error;
    // The usual way tells what is wrong.
    if (!isAnswer) await this.chunks(request, onOpen, onChunk);
  }

  /** Sends a request that takes the connection over, such as the start of an exec, and answers that connection. */
  async hijack(request: SessionRequest): Promise<Socket> {
    const answer = await this.#attempt(request, (versioned) => this.#transport.hijack(versioned));
    if (!(answer instanceof IncomingMessage)) return answer;
    answer.destroy();
    throw new CriError(Code.INTERNAL, `${request.method} ${request.path}: the Engine kept the connection`);
  }

  /** Forgets the handshake: the next request performs a new one. */
  forget(): void {
    this.#agreement = undefined;
  }

  /**
   * No call waits for ever for an Engine that hangs, since others may wait for the call. Changes are given up late, as the
   * Engine may go on with them: its events tell how they ended.
   */
  #limited<T>(request: SessionRequest, work: (limited: SessionRequest) => Promise<T>): Promise<T> {
    const isRead = request.method !== 'POST' && request.method !== 'DELETE' && request.long !== true;
    const answerMs = this.#requestTimeoutMs * (isRead ? 1 : CHANGE_TIMEOUT_FACTOR);
    const timeoutMs = answerMs + (request.graceMs ?? 0);
    return withTimeLimit(timeoutMs, [request.signal], (signal) => work({ ...request, signal }));
  }

  /** Sends a request, twice where that is safe and helps, and hands back the answer if it is a success. */
  async #open(request: SessionRequest): Promise<IncomingMessage> {
    const send = (versioned: EngineRequest) => this.#transport.send(versioned);
    try {
      return await this.#attempt(request, send);
    } catch (error) {
      const repeatable = request.method !== 'POST' || request.idempotent === true;
      if (!isRefusedVersion(error) && !(repeatable && isResetConnection(error))) throw error;
      return this.#attempt(request, send);
    }
  }

  async #attempt<Answer extends IncomingMessage | Socket>(
    request: SessionRequest,
    send: (versioned: EngineRequest) => Promise<Answer>,
  ): Promise<Answer> {
    const agreement = this.#agreement ?? (await this.negotiate(request));
    const versioned = { ...request, path: `/v${agreement.apiVersion}${request.path}` };
    const response = await this.#connected(request, () => send(versioned));
    if (!(response instanceof IncomingMessage)) return response;
    const header = apiVersionHeader(response);
    // Answers that were under way during a new handshake say nothing about the new Engine.
    if (header !== undefined && header !== agreement.header && this.#agreement === agreement) this.forget();

    const status = response.statusCode ?? 0;
    if ((status >= 200 && status < 300) || status === 304) return response;
    const error = responseError(status, await this.#connected(request, () => readText(response)));
    if (isRefusedVersion(error)) this.forget();
    throw error;
  }

  /** Runs a step that needs the connection; when that is lost, what was agreed on over it is forgotten. */
  async #connected<T>(request: SessionRequest, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      const translated = transportError(error, this.#transport.endpoint.text, request.signal);
      if (translated.code === Code.UNAVAILABLE) this.forget();
      throw translated;
    }
  }

  async #performHandshake(): Promise<Agreement> {
    this.forget();
    // What is kept from before a lost connection is closed at the other end as well.
    this.#transport.closeIdle();
    const { text: endpoint } = this.#transport.endpoint;
    const timeout = new AbortController();
    const timer = setTimeout(() => {
      const seconds = HANDSHAKE_TIMEOUT_MS / 1000;
      timeout.abort(
        new CriError(Code.UNAVAILABLE, `Docker Engine at ${endpoint}: no answer for ${seconds}s`),
      );
    }, HANDSHAKE_TIMEOUT_MS);
    const request: EngineRequest = { method: 'GET', path: '/version', signal: timeout.signal, long: true };
    try {
      const response = await this.#transport.send(request);
      const body = await readText(response);
      if (response.statusCode !== 200) throw responseError(response.statusCode ?? 0, body);
      const version = parseJson(body, 'GET /version') as EngineVersion;
      const apiVersion = pickApiVersion(version);
      this.#agreement = { apiVersion, version, header: apiVersionHeader(response) ?? version.ApiVersion };
      this.#log.info('Docker Engine API negotiated', { endpoint, engine: version.Version, apiVersion });
      return this.#agreement;
    } catch (error) {
      throw transportError(error, endpoint, timeout.signal);
    } finally {
      clearTimeout(timer);
    }
  }
}
