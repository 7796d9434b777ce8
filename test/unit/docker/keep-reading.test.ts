import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { keepReading } from '../../../src/docker/keep-reading.js';

describe('keepReading', () => {
  it('reads what was sent before the other side closed, after writes that failed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-keep-reading-'));
    const path = join(folder, 'socket');
    const server = net.createServer().listen(path);
    await once(server, 'listening');
    const connected = once(server, 'connection');
    const client = net.connect(path);
    keepReading(client);
    const [peer] = (await connected) as [net.Socket];
    peer.pause().on('error', () => undefined);
    client.pause().write('never read');
    await new Promise<void>((resolve) => peer.write(Buffer.alloc(100_000), () => resolve()));
    peer.destroy();
    await once(peer, 'close');
    client.cork();
    client.write('too');
    client.write('late');
    client.uncork();
    await new Promise<void>((resolve) => client.write('and more', () => resolve()));
    let received = 0;
    client.on('data', (chunk: Buffer) => (received += chunk.length)).resume();
    await once(client, 'end');
    assert.equal(received, 100_000);
    client.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });
});
