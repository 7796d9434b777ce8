import type { TestContext } from 'node:test';
import type { StreamRequest } from '../../src/util/stream-request.js';
import { captureLog } from './captured-log.js';
import { silentMetrics } from '../../src/util/metrics-sink.js';
import { StreamingServer, type Negotiate } from '../../src/streaming/server.js';

export const EXEC: StreamRequest = {
  kind: 'exec',
  containerId: 'c',
  cmd: ['true'],
  tty: false,
  stdin: true,
  stdout: true,
  stderr: false,
};

/** The headers of a WebSocket's handshake that are the same for all. */
export const WEBSOCKET_UPGRADE = {
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
};

export interface StreamingFixture {
  readonly server: StreamingServer;
  /** Reasons of refusals, as they were counted. */
  readonly refused: string[];
  readonly log: ReturnType<typeof captureLog>;
}

/** A streaming server on a free port of 127.0.0.1 that serves sessions as `negotiate` says; ends with the test. */
export async function serveStreaming(t: TestContext, negotiate: Negotiate): Promise<StreamingFixture> {
  const refused: string[] = [];
  const log = captureLog();
  const metrics = { ...silentMetrics, streamingRefused: (reason: string) => refused.push(reason) };
  const server = new StreamingServer({ host: '127.0.0.1', port: 0, tls: undefined, negotiate, log, metrics });
  await server.start();
  t.after(() => server.stop());
  return { server, refused, log };
}
