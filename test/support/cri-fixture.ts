import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { loadProtocol } from '../../src/server/descriptor.js';
import { CriServer } from '../../src/server/grpc-server.js';
import { noCallTraces, type CallTraces } from '../../src/util/call-traces.js';
import type { ImageHandlers, RuntimeHandlers, StreamHandlers } from '../../src/util/handler.js';
import { silentMetrics } from '../../src/util/metrics-sink.js';
import type { MetricsSink } from '../../src/util/metrics-sink.js';
import { captureLog } from './captured-log.js';
import { connectCri } from './cri-client.js';
import type { CriClient } from './cri-client.js';

export const protocol = loadProtocol();

export interface CriFixture {
  readonly server: CriServer;
  readonly client: CriClient;
  readonly socketPath: string;
  readonly log: ReturnType<typeof captureLog>;
}

/** A CRI server with these handlers on a socket of its own, and a client of it; both go when the test ends. */
export async function serveCri(
  t: TestContext,
  handlers: {
    runtime?: RuntimeHandlers;
    image?: ImageHandlers;
    streams?: StreamHandlers;
    metrics?: MetricsSink;
    traces?: CallTraces;
  },
): Promise<CriFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'cri-server-'));
  const socketPath = join(directory, 'cri.sock');
  const log = captureLog();
  const { runtime = {}, image = {}, streams = {}, metrics = silentMetrics, traces = noCallTraces } = handlers;
  const server = new CriServer({ protocol, runtime, image, streams, log, metrics, traces });
  await server.start({ kind: 'unix', path: socketPath });
  const client = connectCri(socketPath);
  t.after(async () => {
    client.close();
    await server.stop(0);
    await rm(directory, { recursive: true });
  });
  return { server, client, socketPath, log };
}
