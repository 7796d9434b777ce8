import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { FLAG, FRAME, FRAME_HEAD_BYTES, PREFACE, callHeaders, frame } from '../support/http2-frames.js';
import { grpcFrame } from '../support/wire.js';

/** Before each message stand a flag and its length. */
const GRPC_HEAD_BYTES = 5;

const SETTING = { headerTableSize: 1, initialWindowSize: 4 };

/** The kubelet's client grows its window with the connection: a list never waits for the reader's permission. */
const WINDOW_BYTES = 16 * 1024 * 1024;

/** The RPCs that are called here and are not RuntimeService's. */
const IMAGE_RPCS = ['ListImages', 'ImageStatus'];

export type Encode = (rpc: string, request: object) => Buffer;

/** Encodes requests. */
export function requestEncoder(): Encode {
  // Compiled, this file is <root>/<outDir>/test/bench/raw-cri.js.
  const file = fileURLToPath(new URL('../../../proto/runtime/v1/api.proto', import.meta.url));
  const services = loadSync(file, { keepCase: true });
  return (rpc, request) => {
    const method = (services[`runtime.v1.${serviceOf(rpc)}`] as ServiceDefinition)[rpc];
    if (method === undefined) throw new Error(`no RPC ${rpc}`);
    return method.requestSerialize(request);
  };
}

/** The id that is the only field of a reply, as in CreateContainerResponse. */
export function idOf(reply: Buffer): string {
  return reply.subarray(2).toString();
}

interface Call {
  readonly rpc: string;
  readonly chunks: Buffer[];
  resolve(reply: Buffer): void;
  reject(error: Error): void;
}

/**
 * gRPC calls as bytes over one HTTP/2 connection, one at a time. Node's own HTTP/2 client costs more CPU a call than the
 * server under test, and it would be measured too: this one writes and reads just the frames that such a call needs.
 */
export class RawCri {
  readonly #socket: Socket;
  #unread: Buffer = Buffer.alloc(0);
  #lastStream = -1;
  /** Bytes since the connection's window was last granted. */
  #received = 0;
  #call: Call | undefined;

  constructor(socketPath: string) {
    this.#socket = connect(socketPath);
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('error', (error) => this.#end((call) => call.reject(error)));
    const settings = Buffer.concat([
      setting(SETTING.headerTableSize, 0),
      setting(SETTING.initialWindowSize, WINDOW_BYTES),
    ]);
    this.#socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, settings)]));
    this.#grantWindow(WINDOW_BYTES);
  }

  /** Answers the reply, undecoded. Throws when the call fails. */
  async call(rpc: string, request: Buffer = Buffer.alloc(0)): Promise<Buffer> {
    if (this.#call !== undefined) throw new Error(`${this.#call.rpc} is still under way`);
    this.#lastStream += 2;
    const head = frame(
      FRAME.headers,
      FLAG.endHeaders,
      this.#lastStream,
      callHeaders(`/runtime.v1.${serviceOf(rpc)}/${rpc}`),
    );
    const body = frame(FRAME.data, FLAG.endStream, this.#lastStream, grpcFrame(request));
    return new Promise((resolve, reject) => {
      this.#call = { rpc, chunks: [], resolve, reject };
      this.#socket.write(Buffer.concat([head, body]));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let rest = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    while (rest.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      this.#take(rest.readUInt8(3), rest.readUInt8(4), rest.subarray(FRAME_HEAD_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#unread = rest;
  }

  #take(type: number, flags: number, payload: Buffer): void {
    const acknowledged = (flags & FLAG.ack) !== 0;
    if (type === FRAME.data) this.#call?.chunks.push(payload);
    else if (type === FRAME.headers && (flags & FLAG.endStream) !== 0) this.#finish();
    else if (type === FRAME.resetStream || type === FRAME.goAway)
      this.#end((call) => call.reject(refused(call)));
    else if (type === FRAME.settings && !acknowledged) this.#socket.write(frame(type, FLAG.ack, 0));
    else if (type === FRAME.ping && !acknowledged) this.#socket.write(frame(type, FLAG.ack, 0, payload));
  }

  /** After the trailers. A unary call that fails has them alone: only a success comes with a message. */
  #finish(): void {
    this.#end((call) => {
      const message = Buffer.concat(call.chunks);
      if (message.length === 0) {
        call.reject(refused(call));
        return;
      }
      this.#received += message.length;
      call.resolve(message.subarray(GRPC_HEAD_BYTES));
      if (this.#received > WINDOW_BYTES / 2) this.#grantWindow(this.#received);
    });
  }

  #end(how: (call: Call) => void): void {
    const call = this.#call;
    this.#call = undefined;
    if (call !== undefined) how(call);
  }

  #grantWindow(byteCount: number): void {
    this.#received = 0;
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(byteCount);
    this.#socket.write(frame(FRAME.windowUpdate, 0, 0, increment));
  }
}

function serviceOf(rpc: string): string {
  return IMAGE_RPCS.includes(rpc) ? 'ImageService' : 'RuntimeService';
}

function refused({ rpc }: Call): Error {
  return new Error(`${rpc} was refused`);
}

function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}
