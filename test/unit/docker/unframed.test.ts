import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { getUnframed } from '../../../src/docker/unframed.js';

/** Serves one answer, and gives what a GET makes of it. */
async function read(t: TestContext, answer: string): Promise<{ isAnswer: boolean; body: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'cridock-unframed-'));
  const socketPath = join(folder, 'docker.sock');
  const server = createServer((socket) => socket.on('error', () => undefined).end(answer)).listen(socketPath);
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  await once(server, 'listening');
  let body = '';
  const isAnswer = await getUnframed({
    endpoint: { kind: 'unix', socketPath, text: `unix://${socketPath}` },
    pathAndQuery: '/logs',
    signal: undefined,
    buffer: new Uint8Array(1024),
    onOpen: () => undefined,
    onBytes: (bytes) => {
      body += bytes.toString();
      return undefined;
    },
  });
  return { isAnswer, body };
}

describe('getUnframed', () => {
  it('takes all that comes after the head for the body', async (t) => {
    const answer = 'HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\nfirst\nsecond\n';
    assert.deepEqual(await read(t, answer), { isAnswer: true, body: 'first\nsecond\n' });
  });

  it('takes no body that a proxy has framed', async (t) => {
    const answer = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n';
    assert.deepEqual(await read(t, answer), { isAnswer: false, body: '' });
  });

  it('takes no body of another status', async (t) => {
    assert.deepEqual(await read(t, 'HTTP/1.0 404 Not Found\r\n\r\nno such'), { isAnswer: false, body: '' });
  });
});
