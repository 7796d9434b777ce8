import { createHash } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';
import { SpdyClient, type ClientStream } from './spdy-client.js';

export interface RemoteOptions {
  readonly tty?: boolean;
  readonly stdin?: boolean;
  readonly stderr?: boolean;
  /** SPDY protocols, as the client offers them. */
  readonly protocols?: string;
  /** What the client sends besides. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a session ended for its client. */
export interface RemoteResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** As the error stream told it. */
  readonly status: string;
}

/** An exec or attach session, as crictl opens it over SPDY. */
export interface RemoteSession {
  readonly client: SpdyClient;
  readonly stdin: ClientStream | undefined;
  readonly stdout: ClientStream;
  readonly error: ClientStream;
  readonly resize: ClientStream | undefined;
  readonly result: Promise<RemoteResult>;
}

export async function openRemote(url: string, options: RemoteOptions = {}): Promise<RemoteSession> {
  const {
    tty = false,
    stdin = false,
    stderr = !tty,
    protocols = 'v5.channel.k8s.io, v4.channel.k8s.io',
    headers = {},
  } = options;
  const client = await SpdyClient.connect(url, protocols, headers);
  const error = await client.open({ streamtype: 'error' });
  await error.end();
  const stdinStream = stdin ? await client.open({ streamtype: 'stdin' }) : undefined;
  const stdout = await client.open({ streamtype: 'stdout' });
  const stderrStream = stderr ? await client.open({ streamtype: 'stderr' }) : undefined;
  const resize = tty ? await client.open({ streamtype: 'resize' }) : undefined;
  const result = Promise.all([stdout.bytes(), stderrStream?.bytes(), error.bytes()]).then(
    ([out, err = Buffer.alloc(0), status]) => ({ stdout: out, stderr: err, status: status.toString() }),
  );
  result.catch(() => undefined);
  return { client, stdin: stdinStream, stdout, error, resize, result };
}

/** The exit code in a version 4 status, or its failure's message. */
export function exitOf(status: string): number | string {
  const {
    status: word,
    reason,
    message,
    details,
  } = JSON.parse(status) as {
    status: string;
    reason?: string;
    message?: string;
    details?: { causes: { reason: string; message: string }[] };
  };
  if (word === 'Success') return 0;
  return reason === 'NonZeroExitCode' ? Number(details?.causes[0]?.message) : (message ?? '');
}

/** A session over WebSocket: output by channel, and the channel messages to send. */
export async function openWebSocket(
  url: string,
  protocol: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{
  socket: WebSocket;
  send: (channel: number, bytes: Buffer) => void;
  /** Resolves at the end with what came on channels 1, 2 and 3. */
  result: Promise<RemoteResult>;
}> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocol === '' ? [] : [protocol], {
    perMessageDeflate: false,
    headers,
  });
  const base64 = protocol.includes('base64');
  const pieces = new Map<number, Buffer[]>([1, 2, 3].map((channel) => [channel, []]));
  socket.on('message', (data) => {
    const bytes = data as Buffer;
    const channel = base64 ? Number(bytes.toString('latin1', 0, 1)) : (bytes[0] ?? 0);
    const payload = bytes.subarray(1);
    pieces.get(channel)?.push(base64 ? Buffer.from(payload.toString(), 'base64') : payload);
  });
  const closed = once(socket, 'close');
  await once(socket, 'open');
  const all = (channel: number) => Buffer.concat(pieces.get(channel) ?? []);
  return {
    socket,
    send: (channel, bytes) => {
      if (base64) socket.send(`${channel}${bytes.toString('base64')}`);
      else socket.send(Buffer.concat([Buffer.of(channel), bytes]));
    },
    result: closed.then(() => ({ stdout: all(1), stderr: all(2), status: all(3).toString() })),
  };
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
