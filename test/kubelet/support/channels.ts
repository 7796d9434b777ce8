import { createHash } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';
import { credentials } from './api.js';
import { cluster } from './cluster.js';

/** What came on each channel: 0 stdin, 1 stdout, 2 stderr, 3 the error or status. */
export interface Channels {
  readonly protocol: string;
  /** Sends on a channel. */
  send(channel: number, data: string | Buffer): void;
  /** What has come on it until now. */
  text(channel: number): string;
  bytes(channel: number): Buffer;
  /** Waits for the end; answers its code. */
  closed(): Promise<number>;
  close(): void;
}

/**
 * Opens a WebSocket of the API server as a browser does, with an Origin. `target` is the path with its query. Rejects with
 * the server's answer when it is no upgrade.
 */
export async function openChannels(
  target: string,
  protocol: string,
  origin = 'https://dashboard.example',
): Promise<Channels> {
  const isText = protocol.includes('base64.');
  const socket = new WebSocket(`wss://${cluster.address}:6443${target}`, protocol, {
    origin,
    ...credentials,
  });
  const received = new Map<number, Buffer[]>();
  socket.on('message', (data: Buffer) => {
    const channel = isText ? Number(data.subarray(0, 1).toString()) : (data[0] ?? 0);
    const body = isText ? Buffer.from(data.subarray(1).toString(), 'base64') : data.subarray(1);
    received.set(channel, [...(received.get(channel) ?? []), body]);
  });
  const end = once(socket, 'close') as Promise<[number]>;
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve).on('error', reject);
    socket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => reject(new Error(`HTTP ${response.statusCode ?? 0}: ${body}`)));
    });
  });
  const bytes = (channel: number): Buffer => Buffer.concat(received.get(channel) ?? []);
  return {
    protocol: socket.protocol,
    send: (channel, data) => {
      const body = Buffer.from(data);
      if (isText) socket.send(`${channel}${body.toString('base64')}`);
      else socket.send(Buffer.concat([Buffer.from([channel]), body]));
    },
    bytes,
    text: (channel) => bytes(channel).toString(),
    closed: async () => (await end)[0],
    close: () => socket.close(),
  };
}

/** The hash that tells two long texts apart. */
export const digest = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
