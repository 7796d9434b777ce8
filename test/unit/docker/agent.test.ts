import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createAgent } from '../../../src/docker/agent.js';
import { until } from '../../support/until.js';

describe('the pool of connections to the Engine', () => {
  it('keeps few of those that a burst of requests has opened', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'cridock-agent-'));
    const socketPath = join(directory, 'docker.sock');
    const waiting: http.ServerResponse[] = [];
    const server = http.createServer((_, response) => void waiting.push(response));
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const agent = createAgent({ kind: 'unix', text: `unix://${socketPath}`, socketPath }, 64);
    t.after(() => {
      agent.destroy();
      server.close();
      rmSync(directory, { recursive: true });
    });
    const connections = (): Promise<number> =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      );
    const requests = Array.from(
      { length: 40 },
      () =>
        new Promise<void>((resolve, reject) => {
          http
            .get({ socketPath, agent }, (response) => response.resume().on('end', resolve))
            .on('error', reject);
        }),
    );
    await until('all requests', () => waiting.length === 40);
    assert.equal(await connections(), 40);
    for (const response of waiting) response.end();
    await Promise.all(requests);
    await until('the rest to be closed', async () => (await connections()) <= 8);
    assert.ok((await connections()) > 0, 'the next request needs no new one');
  });
});
