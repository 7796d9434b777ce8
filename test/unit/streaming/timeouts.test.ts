import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { HostDialer } from '../../../src/network/netns-dialer.js';
import type { Negotiate } from '../../../src/streaming/server.js';
import { serveSpdyPortForward } from '../../../src/streaming/spdy/port-forward.js';
import { openSpdyStreams } from '../../../src/streaming/spdy/remote-streams.js';
import { acceptUpgrade } from '../../../src/streaming/spdy/upgrade.js';
import { acceptWebSocket } from '../../../src/streaming/websocket/accept.js';
import { openWebSocketStreams } from '../../../src/streaming/websocket/remote-streams.js';
import { Tunnel } from '../../../src/streaming/websocket/tunnel.js';
import { controlFrame, SpdyClient, upgrade } from '../../support/spdy-client.js';
import { until } from '../../support/until.js';
import { EXEC, serveStreaming, WEBSOCKET_UPGRADE } from '../../support/streaming-fixture.js';

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
    const timeouts = { creationTimeoutMs: SHORT_MS, idleTimeoutMs: LONG_MS };
    const url = await session(t, () => async (socket) => {
      acceptUpgrade(socket, 'v4.channel.k8s.io');
      const wanted = { stdin: true, stdout: true, stderr: false, tty: false };
      await openSpdyStreams(socket, 'v4.channel.k8s.io', wanted, timeouts).catch((error: unknown) => {
        reason = error;
      });
    });
    const client = await SpdyClient.connect(url, 'v4.channel.k8s.io');
    await client.open({ streamtype: 'error' });
    await once(client.socket, 'close');
    assert.match(String(reason), /did not open its streams in time/);
  });

  it('half of a forwarded connection is reset, and the session goes on', async (t) => {
    const timeouts = { creationTimeoutMs: SHORT_MS, idleTimeoutMs: LONG_MS };
    const url = await session(t, () => (socket) => {
      acceptUpgrade(socket, 'portforward.k8s.io');
      return serveSpdyPortForward(socket, new HostDialer(), timeouts);
    });
    const client = await SpdyClient.connect(url, 'portforward.k8s.io');
    const error = await client.open({ streamtype: 'error', port: '1', requestid: '1' });
    await once(error, 'reset');
    const next = await client.open({ streamtype: 'error', port: '1', requestid: '2' });
    await once(next, 'reset');
    client.destroy();
  });

  it('SPDY: pings keep no session alive, data does', async (t) => {
    const url = await session(t, () => (socket) => {
      acceptUpgrade(socket, 'portforward.k8s.io');
      return serveSpdyPortForward(socket, new HostDialer(), {
        creationTimeoutMs: LONG_MS,
        idleTimeoutMs: IDLE_MS,
      });
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
    const { server } = await serveStreaming(t, (request) => async (socket, head) => {
      const webSocket = await acceptWebSocket(request, socket, head, '');
      assert.ok(webSocket);
      if (request.headers['x-form'] === 'tunnel') {
        const tunnel = new Tunnel(webSocket, socket, SHORT_MS);
        await once(tunnel, 'close');
        ended.push('tunnel');
      } else {
        const wanted = { stdin: true, stdout: true, stderr: false, tty: false };
        const { gone } = openWebSocketStreams(webSocket, socket, 'v5.channel.k8s.io', wanted, SHORT_MS);
        await once(gone, 'abort');
        ended.push('channels');
      }
    });
    for (const form of ['channels', 'tunnel']) {
      const headers = { ...WEBSOCKET_UPGRADE, 'X-Form': form };
      const { socket } = await upgrade(server.urlFor(EXEC), headers, 'GET');
      await once(socket.resume(), 'close');
      await until('the server has seen it', () => ended.includes(form));
    }
  });
});
