import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { HostDialer } from '../../../src/network/netns-dialer.js';
import type { RemoteStreams } from '../../../src/streaming/remote-streams.js';
import type { Negotiate } from '../../../src/streaming/server.js';
import { messageOf } from '../../../src/util/cri-error.js';
import { serveSpdyPortForward } from '../../../src/streaming/spdy/port-forward.js';
import { openSpdyStreams } from '../../../src/streaming/spdy/remote-streams.js';
import { acceptUpgrade } from '../../../src/streaming/spdy/upgrade.js';
import { acceptWebSocket } from '../../../src/streaming/websocket/accept.js';
import { openWebSocketStreams } from '../../../src/streaming/websocket/remote-streams.js';
import { Tunnel } from '../../../src/streaming/websocket/tunnel.js';
import { exitOf, openRemote, openWebSocket } from '../../support/remote-command.js';
import { controlFrame, SpdyClient } from '../../support/spdy-client.js';
import { until } from '../../support/until.js';
import { EXEC, serveStreaming } from '../../support/streaming-fixture.js';

const LONG_MS = 60_000;
const SHORT_MS = 60;
/** Long enough for a busy machine to send something meanwhile. */
const IDLE_MS = 800;
const PING = controlFrame(6, 0, Buffer.of(0, 0, 0, 1));

/** Serves one session with these timeouts. */
async function session(t: TestContext, negotiate: Negotiate): Promise<string> {
  return (await serveStreaming(t, negotiate)).server.urlFor(EXEC);
}

describe('timeouts of sessions', () => {
  it('a client that does not open all its streams is cut off', async (t) => {
    let reason: unknown;
    const timeouts = { creationTimeoutMs: IDLE_MS, idleTimeoutMs: LONG_MS };
    const url = await session(t, () => async (socket, _head, stop) => {
      acceptUpgrade(socket, 'v4.channel.k8s.io');
      const wanted = { stdin: true, stdout: true, stderr: false, tty: false };
      await openSpdyStreams(socket, 'v4.channel.k8s.io', wanted, timeouts, stop).catch((error: unknown) => {
        reason = error;
      });
    });
    const client = await SpdyClient.connect(url, 'v4.channel.k8s.io');
    const told = (await client.open({ streamtype: 'error' })).bytes();
    assert.match(String(exitOf((await told).toString())), /did not open its streams in time/);
    client.destroy();
    await until('the session is over', () => reason !== undefined);
    assert.match(String(reason), /did not open its streams in time/);
  });

  it('half of a forwarded connection is reset, and the session goes on', async (t) => {
    const timeouts = { creationTimeoutMs: SHORT_MS, idleTimeoutMs: LONG_MS };
    const url = await session(t, () => (socket, _head, stop) => {
      acceptUpgrade(socket, 'portforward.k8s.io');
      return serveSpdyPortForward(socket, new HostDialer(), timeouts, stop);
    });
    const client = await SpdyClient.connect(url, 'portforward.k8s.io');
    const error = await client.open({ streamtype: 'error', port: '1', requestid: '1' });
    await once(error, 'reset');
    const next = await client.open({ streamtype: 'error', port: '1', requestid: '2' });
    await once(next, 'reset');
    client.destroy();
  });

  it('SPDY: pings keep no session alive, data does', async (t) => {
    const url = await session(t, () => (socket, _head, stop) => {
      acceptUpgrade(socket, 'portforward.k8s.io');
      return serveSpdyPortForward(
        socket,
        new HostDialer(),
        { creationTimeoutMs: LONG_MS, idleTimeoutMs: IDLE_MS },
        stop,
      );
    });
    const client = await SpdyClient.connect(url, 'portforward.k8s.io');
    client.socket.on('error', () => undefined); // a ping may cross the end
    const closed = new Promise((resolve) => client.socket.once('close', resolve));
    const stream = await client.open({ streamtype: 'error', port: '1', requestid: '1' });
    for (let count = 0; count < 10; count += 1) {
      await delay(IDLE_MS / 8);
      await stream.write(Buffer.of(1));
    }
    assert.equal(client.socket.destroyed, false);
    const pings = setInterval(() => void client.send(PING), IDLE_MS / 8);
    t.after(() => clearInterval(pings));
    await closed;
  });

  it('WebSocket: a session without messages is ended, and its tunnel', async (t) => {
    const ended: string[] = [];
    const { server } = await serveStreaming(t, (request) => async (socket, head, stop) => {
      const webSocket = await acceptWebSocket(request, socket, head, '');
      assert.ok(webSocket);
      if (request.headers['x-form'] === 'tunnel') {
        const timeouts = { creationTimeoutMs: LONG_MS, idleTimeoutMs: SHORT_MS };
        await serveSpdyPortForward(new Tunnel(webSocket, socket), new HostDialer(), timeouts, stop);
        ended.push('tunnel');
      } else {
        const wanted = { stdin: true, stdout: true, stderr: false, tty: false };
        const streams = openWebSocketStreams(webSocket, socket, 'v5.channel.k8s.io', wanted, SHORT_MS, stop);
        await once(streams.cut, 'abort');
        ended.push('channels');
        await streams.finish({ kind: 'failed', message: 'idle' });
      }
    });
    for (const form of ['channels', 'tunnel']) {
      const socket = new WebSocket(server.urlFor(EXEC).replace(/^http/, 'ws'), {
        headers: { 'X-Form': form },
      });
      await once(socket, 'close');
      await until('the server has seen it', () => ended.includes(form));
    }
  });

  it('a client of exec and attach is told of the idle timeout, over SPDY and WebSocket', async (t) => {
    const wanted = { stdin: true, stdout: true, stderr: false, tty: false };
    const { server } = await serveStreaming(t, (request) => async (socket, head, stop) => {
      const timeouts = { creationTimeoutMs: LONG_MS, idleTimeoutMs: IDLE_MS };
      let streams: RemoteStreams;
      if (request.headers.upgrade === 'websocket') {
        const webSocket = await acceptWebSocket(request, socket, head, 'v5.channel.k8s.io');
        assert.ok(webSocket);
        streams = openWebSocketStreams(webSocket, socket, 'v5.channel.k8s.io', wanted, IDLE_MS, stop);
      } else {
        acceptUpgrade(socket, 'v4.channel.k8s.io');
        streams = await openSpdyStreams(socket, 'v4.channel.k8s.io', wanted, timeouts, stop);
      }
      await once(streams.cut, 'abort');
      await streams.finish({ kind: 'failed', message: messageOf(streams.cut.reason) });
    });
    const overSpdy = await openRemote(server.urlFor(EXEC), { stdin: true, stderr: false });
    assert.match(String(exitOf((await overSpdy.result).status)), /idle for too long/);
    const overWebSocket = await openWebSocket(server.urlFor(EXEC), 'v5.channel.k8s.io');
    assert.match(String(exitOf((await overWebSocket.result).status)), /idle for too long/);
  });

  it('a forwarded connection that is cut off is told why, and is no whole one', async (t) => {
    const listener = createServer((socket) => socket.on('error', () => undefined).write('some'));
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    t.after(() => listener.close());
    const { server } = await serveStreaming(t, () => (socket, _head, stop) => {
      acceptUpgrade(socket, 'portforward.k8s.io');
      const timeouts = { creationTimeoutMs: LONG_MS, idleTimeoutMs: LONG_MS };
      return serveSpdyPortForward(socket, new HostDialer(), timeouts, stop);
    });
    const url = server.urlFor({ kind: 'portforward', sandboxId: 's', ports: [] });
    const client = await SpdyClient.connect(url, 'portforward.k8s.io');
    const headers = { port: String((listener.address() as AddressInfo).port), requestid: '1' };
    const told = (await client.open({ ...headers, streamtype: 'error' })).bytes();
    const data = await client.open({ ...headers, streamtype: 'data' });
    await once(data, 'data');
    const rest = data.bytes();
    const [reason] = await Promise.all([told, assert.rejects(rest, /was reset/), server.stop()]);
    assert.match(reason.toString(), /cridock is being stopped/);
  });
});
