import { Client, Metadata, credentials } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** A length-delimited protobuf field (wire type 2): a string, bytes or a message. */
export function field(number: number, value: string | Uint8Array): Buffer {
  const payload = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(payload.length), payload]);
}

/** An entry of a protobuf map<string, string>. */
export function mapEntry(number: number, key: string | Uint8Array, value: string | Uint8Array): Buffer {
  return field(number, Buffer.concat([field(1, key), field(2, value)]));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

/** A gRPC message as it goes over HTTP/2: flag, length, bytes. `flag` and `length` may lie. */
export function grpcFrame(message: Uint8Array, { flag = 0, length = message.length } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

/** What a call ended with: a gRPC status, or what HTTP/2 says where there is none (a reset stream, no gRPC). */
export interface WireOutcome {
  readonly httpStatus: number | undefined;
  readonly grpcStatus: number | undefined;
  readonly grpcMessage: string;
}

/** Posts a body of any bytes to a gRPC server, without a gRPC library that would refuse to send it. */
export async function postGrpc(
  socketPath: string,
  path: string,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<WireOutcome> {
  const session = connect('http://localhost', { createConnection: () => connectSocket(socketPath) });
  // The stream ends with the session; the outcome then has no status.
  session.on('error', () => undefined);
  try {
    return await post(session, path, body, headers);
  } finally {
    session.destroy();
  }
}

async function post(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: Record<string, string>,
): Promise<WireOutcome> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let seen: Record<string, string | string[] | number | undefined> = {};
  const collect = (more: typeof seen): void => {
    seen = { ...seen, ...more };
  };
  stream.on('response', collect).on('trailers', collect).resume();
  // The server may answer and reset the stream before it has read all. 'close' comes in every case.
  stream.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.end(body);
  await closed;
  const grpcStatus = seen['grpc-status'];
  return {
    httpStatus: typeof seen[':status'] === 'number' ? seen[':status'] : undefined,
    grpcStatus: grpcStatus === undefined ? undefined : Number(grpcStatus),
    grpcMessage: decodeURIComponent(String(seen['grpc-message'] ?? '')),
  };
}

/** The error that a gRPC client without a limit of its own gets for a message; undefined when it gets a reply. */
export async function sendUnlimited(
  socketPath: string,
  path: string,
  message: Buffer,
): Promise<ServiceError | undefined> {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
  });
  try {
    return await new Promise((resolve) => {
      client.makeUnaryRequest(path, asIs, asIs, message, new Metadata(), (error) =>
        resolve(error ?? undefined),
      );
    });
  } finally {
    client.close();
  }
}
