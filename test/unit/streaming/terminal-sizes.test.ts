import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { TerminalSize } from '../../../src/docker/types.js';
import { SizeReader } from '../../../src/streaming/terminal-sizes.js';
import { acceptWebSocket } from '../../../src/streaming/websocket/accept.js';
import { openWebSocketStreams } from '../../../src/streaming/websocket/remote-streams.js';
import { openWebSocket } from '../../support/remote-command.js';
import { EXEC, serveStreaming } from '../../support/streaming-fixture.js';

describe('SizeReader', () => {
  it('reads sizes however they are cut, and tells the last', () => {
    const reader = new SizeReader();
    assert.equal(reader.push(Buffer.from('{"Width":8')), undefined);
    assert.deepEqual(reader.push(Buffer.from('0,"Height":25}\n{"Wid')), { width: 80, height: 25 });
    assert.deepEqual(reader.push(Buffer.from('th":1,"Height":2}{"Width":3,"Height":4}')), {
      width: 3,
      height: 4,
    });
  });

  it('ignores what is no size', () => {
    const reader = new SizeReader();
    for (const text of [
      '{}',
      '}',
      '[1}',
      '{"Width":0,"Height":5}',
      '{"Width":"8","Height":5}',
      '{"Width":70000,"Height":5}',
    ]) {
      assert.equal(reader.push(Buffer.from(text)), undefined, text);
    }
    reader.push(Buffer.alloc(5_000, '{'));
    assert.deepEqual(reader.push(Buffer.from('{"Width":8,"Height":5}')), { width: 8, height: 5 });
  });

  it('parses once, however much has come, and keeps no more than a size can have', (t) => {
    const parses = t.mock.method(JSON, 'parse');
    const reader = new SizeReader();
    assert.equal(reader.push(Buffer.from('}'.repeat(30_000))), undefined);
    assert.equal(reader.push(Buffer.from('{}'.repeat(30_000))), undefined);
    const sizes = Buffer.from('{"Width":1,"Height":1}'.repeat(5_000));
    assert.deepEqual(reader.push(sizes), { width: 1, height: 1 });
    assert.deepEqual(reader.push(Buffer.from('{"Width":1,"Height":2}{"Width":3,"Height":4}{"Wid')), {
      width: 3,
      height: 4,
    });
    reader.push(Buffer.from('{'));
    assert.ok(parses.mock.callCount() <= 5, `${parses.mock.callCount()} times`);
    reader.push(Buffer.from(' '.repeat(2_000)));
    assert.equal(reader.push(Buffer.from('"Width":1,"Height":2}')), undefined);
  });
});

it('the channel of sizes is read of a terminal only', async (t) => {
  const told: Record<string, TerminalSize[]> = { true: [], false: [] };
  for (const tty of [true, false]) {
    const { server } = await serveStreaming(t, (request) => async (socket, head, stop) => {
      const webSocket = await acceptWebSocket(request, socket, head, 'v5.channel.k8s.io');
      assert.ok(webSocket);
      const wanted = { stdin: true, stdout: true, stderr: false, tty };
      const streams = openWebSocketStreams(webSocket, socket, 'v5.channel.k8s.io', wanted, 60_000, stop);
      streams.onResize((size) => told[String(tty)]?.push(size));
      assert.ok(streams.stdin);
      await once(streams.stdin, 'data');
      await streams.finish({ kind: 'exited', exitCode: 0 });
    });
    const client = await openWebSocket(server.urlFor(EXEC), 'v5.channel.k8s.io');
    client.send(4, Buffer.from('{"Width":80,"Height":25}'));
    client.send(0, Buffer.from('behind it'));
    await client.result;
  }
  assert.deepEqual(told, { true: [{ width: 80, height: 25 }], false: [] });
});
