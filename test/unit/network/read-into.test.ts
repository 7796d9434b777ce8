import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectLocal } from '../../../src/network/connect-local.js';
import { ReadBuffer, readInto } from '../../../src/network/read-into.js';
import { ByteBudget } from '../../../src/util/byte-budget.js';

/** More than the largest buffer takes. */
const SENT = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));

/** Sends bytes to whom connects, and answers the port and what it is sent back. */
async function serve(t: TestContext): Promise<{ port: number; answer: Promise<string> }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.end(SENT)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const answer = once(server, 'connection').then(async ([socket]) => {
    let text = '';
    for await (const chunk of (socket as Socket).setEncoding('utf8')) text += String(chunk);
    return text;
  });
  return { port: (server.address() as AddressInfo).port, answer };
}

/** Buffers from the first to the largest, each twice as large as the one before. */
const MOST_BUFFERS = 5;

/** Reads to the end, a turn of the event loop after each piece, then answers; gives back what was read. */
async function readAll(connected: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const memory = new Set<ArrayBufferLike>();
  let waiting = false;
  const socket = readInto(connected, (bytes) => {
    memory.add(bytes.buffer);
    assert.equal(waiting, false, 'read before it was asked for more');
    pieces.push(Buffer.from(bytes));
    waiting = true;
    void turn().then(() => {
      waiting = false;
      socket.resume();
    });
    return false;
  });
  socket.resume();
  await once(socket, 'end');
  socket.end('and back');
  await once(socket, 'close');
  assert.ok(memory.size <= MOST_BUFFERS, `${memory.size} buffers for ${pieces.length} pieces`);
  return Buffer.concat(pieces);
}

describe('reading into one buffer', () => {
  it('a connection of this process', async (t) => {
    const { port, answer } = await serve(t);
    assert.deepEqual(await readAll(await connectLocal(port)), SENT);
    assert.equal(await answer, 'and back');
  });

  it('that grows where there is room only, and gives it back', () => {
    const KIB = 1024;
    const room = new ByteBudget(150 * KIB);
    for (let time = 0; time < 2; time += 1) {
      const buffer = new ReadBuffer(undefined, room);
      // To grow from 64 KiB to 128 takes 64, and to 256 another 128.
      for (let full = 0; full < 3; full += 1) buffer.grow();
      assert.equal(buffer.bytes.length, 128 * KIB);
      buffer.release();
    }
    assert.equal(room.take(150 * KIB), 150 * KIB);
  });

  it('a connection that another process made', async (t) => {
    const { port, answer } = await serve(t);
    const helper = fork(fileURLToPath(new URL('../../../src/network/netns-helper.js', import.meta.url)));
    t.after(() => helper.kill('SIGKILL'));
    helper.send({ id: 1, pid: 0, inode: 0, port });
    const socket = await new Promise<Socket>((resolve) => {
      helper.once('message', (_message, handle) => {
        (handle as Socket).pause();
        resolve(handle as Socket);
      });
    });
    assert.deepEqual(await readAll(socket), SENT);
    assert.equal(await answer, 'and back');
  });

  it('bytes that came before there was a buffer', async (t) => {
    const { port } = await serve(t);
    const connected = await connectLocal(port);
    connected.unshift(Buffer.from('early '));
    const pieces: Buffer[] = [];
    const socket = readInto(connected, (bytes) => pieces.push(Buffer.from(bytes)) > 0);
    socket.resume();
    await once(socket, 'end');
    assert.deepEqual(Buffer.concat(pieces), Buffer.concat([Buffer.from('early '), SENT]));
    connected.destroy();
    await once(socket, 'close');
  });

  it('what is no connection of the system, as it reads itself', async () => {
    const through = new PassThrough();
    through.write('one');
    through.end('two');
    let text = '';
    const reading = readInto(through, (bytes) => {
      text += bytes.toString();
      setImmediate(() => reading.resume());
      return false;
    });
    await turn();
    assert.equal(text, '');
    reading.resume();
    await once(reading, 'end');
    assert.equal(text, 'onetwo');
  });

  it('a connection whose handle is not the known one, as Node reads it', async () => {
    const odd = new Socket();
    odd.push('some');
    odd.push(null);
    let text = '';
    const reading = readInto(odd, (bytes) => {
      text += bytes.toString();
      return true;
    });
    reading.resume();
    await once(reading, 'end');
    assert.equal(text, 'some');
  });
});
