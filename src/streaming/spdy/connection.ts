import type { Duplex } from 'node:stream';
import { FLAG_FIN, FrameReader, FrameType } from './frame-reader.js';
import { dataHeader, goAway, ping, ResetStatus, rstStream, synReply } from './frames.js';
import { emptyHeaderBlock, HeaderReader } from './header-block.js';
import { SpdyError } from './frame-reader.js';
import { SpdyStream } from './stream.js';
import type { StreamOwner } from './stream.js';

/** While a reader is slow nothing is read, so a peer that is gone shows only when something is written to it. */
const PROBE_EVERY_MS = 5_000;

/** What a peer gets to read what was sent before the connection is closed for good. */
const LINGER_MS = 5_000;

/**
 * Frames that are read in a go, some 5 ms at most; then it is the turn of others. A message of a tunnel can hold a hundred thousand,
 * and of a client that only sends data a few are all that comes at a time.
 */
const FRAMES_A_GO = 128;

/** Answers to a peer that reads nothing; beyond that it is no honest one. */
const MAX_PENDING_CONTROL_BYTES = 256 * 1024;

export interface SpdyOptions {
  /** The peer's streams that may be open at a time; more are refused. */
  readonly maxStreams: number;
  /** The connection is to be given up when nothing but pings came or went for this long. */
  readonly idleTimeoutMs: number;
  /**
   * The connection is to be given up, and this is why: no more is read. Called once at most. The client can be told still;
   * then it is ended or closed.
   */
  readonly onProblem: (problem: string) => void;
  /** A stream of the peer's; it has been replied to. */
  readonly onStream: (stream: SpdyStream) => void;
  /** Called once, when the connection is over; all streams are destroyed by then. */
  readonly onClose: () => void;
}

/**
 * The server's side of a SPDY/3.1 connection as Kubernetes' clients use it: they open all streams, never send window
 * updates and ignore ours. So nothing is windowed: a reader that is slow stops the connection, as it does in Go's.
 */
export class SpdyConnection implements StreamOwner {
  readonly #socket: Duplex;
  readonly #options: SpdyOptions;
  readonly #frames: FrameReader;
  readonly #headers = new HeaderReader();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #idle: NodeJS.Timeout;
  /** Streams whose readers are slow. While there is one, the socket is not read. */
  readonly #full = new Set<SpdyStream>();
  #framesInGo = 0;
  /** Others have their turn now; the socket is not read meanwhile. */
  #givesWay = false;
  #probe: NodeJS.Timeout | undefined;
  #probeId = 2;
  #lastStreamId = 0;
  #pendingControlBytes = 0;
  #repliedOnce = false;
  #givenUp = false;
  #closed = false;

  constructor(socket: Duplex, options: SpdyOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#frames = new FrameReader({
      onData: (id, piece, fin) => this.#onData(id, piece, fin),
      onControl: (type, flags, payload) => this.#onControl(type, flags, payload),
    });
    this.#idle = setTimeout(() => this.#giveUp('the session was idle for too long'), options.idleTimeoutMs);
    socket.on('data', (chunk: Buffer) => this.#onChunk(chunk));
    socket.on('drain', () => (this.#pendingControlBytes = 0));
    socket.on('end', () => this.close());
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
  }

  /** Says that no more streams are taken, and ends the connection when what was written has been sent. */
  end(): void {
    if (this.#closed) return;
    this.#socket.end(goAway(this.#lastStreamId));
    this.#close();
    // The peer closes when it has read everything; what it still sends is of no interest.
    this.#socket.resume();
    const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(linger));
  }

  /** Gives the connection up at once. */
  close(): void {
    this.#close();
    this.#socket.destroy();
  }

  #giveUp(problem: string): void {
    if (this.#closed || this.#givenUp) return;
    this.#givenUp = true;
    this.#options.onProblem(problem);
  }

  sendData(stream: SpdyStream, payloads: readonly Buffer[], fin: boolean, done: () => void): void {
    if (this.#closed || this.#streams.get(stream.id) !== stream) {
      done();
      return;
    }
    this.#idle.refresh();
    const byteCount = payloads.reduce((sum, { length }) => sum + length, 0);
    const pieces = [dataHeader(stream.id, fin ? FLAG_FIN : 0, byteCount), ...payloads];
    // What is sent in one turn goes to the system in one call.
    this.#socket.cork();
    pieces.forEach((piece, index) => {
      this.#socket.write(piece, index === pieces.length - 1 ? () => done() : undefined);
    });
    process.nextTick(() => this.#socket.uncork());
  }

  resume(stream: SpdyStream): void {
    if (!this.#full.delete(stream) || this.#full.size > 0 || this.#closed) return;
    clearInterval(this.#probe);
    if (!this.#givesWay) this.#socket.resume();
  }

  reset(stream: SpdyStream): void {
    this.resume(stream);
    if (!this.#streams.delete(stream.id) || this.#closed) return;
    if (stream.readableEnded && stream.writableFinished) return;
    this.#sendControl(rstStream(stream.id, ResetStatus.CANCEL));
  }

  #onChunk(chunk: Buffer): void {
    if (this.#closed || this.#givenUp) return;
    this.#socket.cork(); // many frames, such as those of new streams, are answered
    try {
      const rest = this.#frames.push(chunk, () => (this.#framesInGo += 1) <= FRAMES_A_GO);
      if (rest.length > 0) this.#giveWay(rest);
    } catch (error) {
      if (!(error instanceof SpdyError)) throw error;
      this.#giveUp(error.message);
    } finally {
      this.#socket.uncork();
    }
  }

  /** Puts back what is left of a chunk, in front of all that comes and of the end, until others have had their turn. */
  #giveWay(rest: Buffer): void {
    if (this.#closed) return;
    this.#givesWay = true;
    this.#socket.pause();
    this.#socket.unshift(rest);
    setImmediate(() => {
      this.#givesWay = false;
      this.#framesInGo = 0;
      if (this.#full.size === 0) this.#socket.resume();
    });
  }

  #sendControl(frame: Buffer): void {
    if (this.#socket.write(frame)) return;
    this.#pendingControlBytes += frame.length;
    if (this.#pendingControlBytes > MAX_PENDING_CONTROL_BYTES) this.#giveUp('the client reads nothing');
  }

  #onData(id: number, piece: Buffer, fin: boolean): void {
    const stream = this.#streams.get(id);
    // What was on its way to a stream that has been reset is of no interest.
    if (stream === undefined || stream.inputEnded) return;
    this.#idle.refresh();
    if (piece.length > 0 && !stream.push(piece)) this.#pauseFor(stream);
    if (fin) stream.endInput();
  }

  #pauseFor(stream: SpdyStream): void {
    if (this.#full.size === 0) {
      this.#socket.pause();
      this.#probe = setInterval(() => this.#sendProbe(), PROBE_EVERY_MS);
    }
    this.#full.add(stream);
  }

  /** The server's pings have even numbers. */
  #sendProbe(): void {
    this.#sendControl(ping(this.#probeId));
    this.#probeId = (this.#probeId + 2) % 2 ** 31;
  }

  #onControl(type: number, flags: number, payload: Buffer): void {
    if (this.#closed || this.#givenUp) return;
    switch (type) {
      case FrameType.SYN_STREAM:
        this.#onSynStream(flags, payload);
        return;
      case FrameType.RST_STREAM:
        this.#streamOf(payload)?.destroy();
        return;
      case FrameType.HEADERS:
        // Inflated only to stay in step with the peer's compressor.
        if (payload.length < 4) throw new SpdyError('a HEADERS frame that is too short');
        this.#headers.read(payload.subarray(4));
        return;
      case FrameType.PING:
        if (payload.length !== 4) throw new SpdyError('a PING frame of a wrong length');
        if ((payload.readUInt32BE(0) & 1) === 1) this.#sendControl(ping(payload.readUInt32BE(0)));
        return;
      default:
        // SETTINGS, WINDOW_UPDATE, GOAWAY: nothing here depends on them. Others are to be ignored.
        return;
    }
  }

  #onSynStream(flags: number, payload: Buffer): void {
    if (payload.length < 10) throw new SpdyError('a SYN_STREAM frame that is too short');
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    const headers = this.#headers.read(payload.subarray(10));
    if (id % 2 === 0 || id <= this.#lastStreamId) {
      throw new SpdyError(`stream ${id} after stream ${this.#lastStreamId}`);
    }
    this.#lastStreamId = id;
    this.#idle.refresh();
    if (this.#streams.size >= this.#options.maxStreams) {
      this.#sendControl(rstStream(id, ResetStatus.REFUSED_STREAM));
      return;
    }
    const stream = new SpdyStream(id, headers, this);
    this.#streams.set(id, stream);
    // Go drops data on a stream before its reply.
    this.#sendControl(synReply(id, emptyHeaderBlock(!this.#repliedOnce)));
    this.#repliedOnce = true;
    this.#options.onStream(stream);
    if ((flags & FLAG_FIN) !== 0) stream.endInput();
  }

  #streamOf(payload: Buffer): SpdyStream | undefined {
    if (payload.length < 4) throw new SpdyError('a frame that is too short for a stream number');
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.#streams.delete(id);
    return stream;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#idle);
    clearInterval(this.#probe);
    for (const stream of this.#streams.values()) stream.destroy();
    this.#streams.clear();
    this.#options.onClose();
  }
}
