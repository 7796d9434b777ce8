import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { WebSocketLink } from './link.js';

const HIGH_WATER_MARK_BYTES = 256 * 1024;
/** Version 5: the message's other byte names a channel that its sender has ended. */
const CLOSE_CHANNEL = 255;

export interface ChannelForm {
  /** Text messages: the channel as a digit, the payload in base64. */
  readonly base64: boolean;
  /** Channels can be ended one by one (version 5). */
  readonly closes: boolean;
}

export interface ChannelOptions extends ChannelForm {
  /** How many channels there are; messages on others are ignored. */
  readonly count: number;
  readonly idleTimeoutMs: number;
  /** The connection is to be given up, and this is why. The client can be told still. */
  readonly onProblem: (problem: string) => void;
  /** Called once, when the connection is over. */
  readonly onClose: () => void;
}

/** Kubernetes' channels over a WebSocket: the first byte of each message says which channel it belongs to. */
export class Channels {
  readonly #link: WebSocketLink;
  readonly #form: ChannelForm;
  readonly #channels: Channel[];
  readonly #full = new Set<Channel>();

  constructor(webSocket: WebSocket, socket: Duplex, options: ChannelOptions) {
    this.#form = options;
    this.#channels = Array.from({ length: options.count }, (_, number) => new Channel(number, this));
    this.#link = new WebSocketLink(webSocket, socket, {
      onMessage: (message) => this.#onMessage(message),
      idle: {
        timeoutMs: options.idleTimeoutMs,
        onIdle: () => options.onProblem('the session was idle for too long'),
      },
      onClose: () => {
        for (const channel of this.#channels) channel.destroy();
        options.onClose();
      },
    });
  }

  /** A channel by its number. Reading ends only where the form can tell; ending the writing side tells nobody. */
  get(number: number): Duplex {
    const channel = this.#channels[number];
    if (channel === undefined) throw new RangeError(`no channel ${number}`);
    return channel;
  }

  send(number: number, payload: Buffer, done: () => void): void {
    if (this.#form.base64) {
      this.#link.send(Buffer.from(`${number}${payload.toString('base64')}`), false, done);
    } else {
      this.#link.send(Buffer.concat([Buffer.of(number), payload]), true, done);
    }
  }

  resume(channel: Channel): void {
    if (this.#full.delete(channel) && this.#full.size === 0) this.#link.resume();
  }

  /** Says goodbye. Input that nobody reads is dropped: behind it comes the client's own goodbye. */
  close(): void {
    for (const channel of this.#channels) channel.resume();
    this.#link.close();
  }

  terminate(): void {
    this.#link.terminate();
  }

  #onMessage(message: Buffer): void {
    if (message.length === 0) return;
    const first = message.readUInt8(0);
    if (this.#form.closes && first === CLOSE_CHANNEL) {
      this.#channels[message[1] ?? CLOSE_CHANNEL]?.endInput();
      return;
    }
    const channel = this.#channels[this.#form.base64 ? first - 0x30 : first];
    const payload = message.subarray(1);
    const bytes = this.#form.base64 ? Buffer.from(payload.toString('latin1'), 'base64') : payload;
    if (channel === undefined || bytes.length === 0 || channel.takeInput(bytes)) return;
    this.#full.add(channel);
    this.#link.pause();
  }
}

class Channel extends Duplex {
  readonly #number: number;
  readonly #channels: Channels;
  #inputEnded = false;

  constructor(number: number, channels: Channels) {
    super({
      allowHalfOpen: true,
      readableHighWaterMark: HIGH_WATER_MARK_BYTES,
      writableHighWaterMark: HIGH_WATER_MARK_BYTES,
    });
    this.#number = number;
    this.#channels = channels;
  }

  /** Says whether there is room for more. */
  takeInput(bytes: Buffer): boolean {
    if (this.#inputEnded || this.destroyed) return true;
    return this.push(bytes);
  }

  endInput(): void {
    if (this.#inputEnded || this.destroyed) return;
    this.#inputEnded = true;
    this.push(null);
  }

  override _read(): void {
    this.#channels.resume(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#channels.send(this.#number, chunk, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channels.resume(this);
    done(error);
  }
}
