import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import type { StreamRequest } from '../../src/util/stream-request.js';
import { connectLocal } from '../../src/network/connect-local.js';
import type { LoopbackDialer } from '../../src/network/netns-dialer.js';
import { createMetrics } from '../../src/observability/metrics.js';
import { asksFor } from '../../src/streaming/handshake.js';
import type { RemoteStreams } from '../../src/streaming/remote-streams.js';
import { StreamingServer, type Negotiate, type ServeSession } from '../../src/streaming/server.js';
import { serveSpdyPortForward } from '../../src/streaming/spdy/port-forward.js';
import { openSpdyStreams } from '../../src/streaming/spdy/remote-streams.js';
import { acceptUpgrade } from '../../src/streaming/spdy/upgrade.js';
import { acceptWebSocket, chooseSubprotocol } from '../../src/streaming/websocket/accept.js';
import { serveWebSocketPortForward } from '../../src/streaming/websocket/port-forward.js';
import { openWebSocketStreams } from '../../src/streaming/websocket/remote-streams.js';
import { Tunnel, TUNNEL_PROTOCOL } from '../../src/streaming/websocket/tunnel.js';
import { messageOf } from '../../src/util/cri-error.js';
import { silentLogger } from '../../src/util/log.js';
import { openRemote } from './remote-command.js';
import { until } from './until.js';

const TIMEOUTS = { creationTimeoutMs: 60_000, idleTimeoutMs: 60_000 };
const WANTED = { stdin: true, stdout: true, stderr: false, tty: true };
const EXEC: StreamRequest = { kind: 'exec', containerId: 'c', cmd: ['true'], ...WANTED };

/** A connection in memory, which is faster than one of the kernel's. */
export interface Connection {
  /** The client's end. */
  readonly near: Duplex;
  /** The server's end. */
  readonly far: Duplex;
}

/** A streaming server whose execs echo their input, and whose ports all lead to one server that echoes. */
export interface EchoSessions {
  readonly connect: () => Connection;
  readonly execUrl: () => string;
  readonly portForwardUrl: () => string;
  /** Sessions that are open. */
  readonly open: () => number;
  /** Sessions that were opened since the start. */
  readonly served: () => number;
  /** Refused connections by reason, as Prometheus reads them. */
  readonly refused: (reason: string) => Promise<number>;
}

export async function serveEchoSessions(t: TestContext): Promise<EchoSessions> {
  const echo = net.createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  const dialer: LoopbackDialer = { connect: () => connectLocal(port), close: () => undefined };
  const metrics = createMetrics();
  let served = 0;
  let open = 0;
  const negotiate: Negotiate = (request, session) => {
    const serve = asksFor(request, 'websocket')
      ? webSocketSession(request, session, dialer)
      : spdySession(session, dialer);
    return async (...connection) => {
      served += 1;
      open += 1;
      await serve(...connection).finally(() => (open -= 1));
    };
  };
  const options = { host: '127.0.0.1', port: 0, tls: undefined, log: silentLogger };
  const { mock: creation } = t.mock.method(http, 'createServer');
  const server = new StreamingServer({ ...options, negotiate, metrics });
  const httpServer = creation.calls[0]?.result;
  creation.restore();
  await server.start();
  t.after(async () => {
    await server.stop();
    echo.close();
  });
  return {
    connect: () => {
      const [near, far] = duplexPair();
      near.resume();
      httpServer?.emit('connection', far);
      return { near, far };
    },
    execUrl: () => server.urlFor(EXEC),
    portForwardUrl: () => server.urlFor({ kind: 'portforward', sandboxId: 's', ports: [80] }),
    open: () => open,
    served: () => served,
    refused: async (reason) => {
      const line = new RegExp(`^cri_streaming_refused_total{reason="${reason}"} (\\d+)$`, 'm');
      return Number(line.exec(await metrics.text())?.[1] ?? 0);
    },
  };
}

function spdySession(session: StreamRequest, dialer: LoopbackDialer): ServeSession {
  if (session.kind === 'portforward') {
    return (socket, _head, stop) => {
      acceptUpgrade(socket, 'portforward.k8s.io');
      return serveSpdyPortForward(socket, dialer, TIMEOUTS, stop);
    };
  }
  return async (socket, _head, stop) => {
    const protocol = 'v4.channel.k8s.io';
    acceptUpgrade(socket, protocol);
    await openSpdyStreams(socket, protocol, WANTED, TIMEOUTS, stop).then(echoUntilGone, () => undefined);
  };
}

function webSocketSession(
  request: Parameters<Negotiate>[0],
  session: StreamRequest,
  dialer: LoopbackDialer,
): ServeSession {
  const forms = [
    'v5.channel.k8s.io',
    'v4.channel.k8s.io',
    'v4.base64.channel.k8s.io',
    TUNNEL_PROTOCOL,
  ] as const;
  return async (socket, head, stop) => {
    const protocol = chooseSubprotocol(request, forms);
    if (typeof protocol !== 'string') return void socket.destroy();
    const webSocket = await acceptWebSocket(request, socket, head, protocol);
    if (webSocket === undefined) return;
    if (protocol === TUNNEL_PROTOCOL) {
      await serveSpdyPortForward(new Tunnel(webSocket, socket), dialer, TIMEOUTS, stop);
    } else if (session.kind === 'portforward' && protocol !== 'v5.channel.k8s.io') {
      const { ports } = session;
      await serveWebSocketPortForward(
        webSocket,
        socket,
        protocol,
        ports,
        dialer,
        TIMEOUTS.idleTimeoutMs,
        stop,
      );
    } else {
      await echoUntilGone(
        openWebSocketStreams(webSocket, socket, protocol, WANTED, TIMEOUTS.idleTimeoutMs, stop),
      );
    }
  };
}

async function echoUntilGone(streams: RemoteStreams): Promise<void> {
  const { stdin, stdout, cut } = streams;
  streams.onResize(() => undefined);
  if (stdout !== undefined) stdin?.pipe(stdout);
  if (!cut.aborted) await once(cut, 'abort');
  await streams.finish({ kind: 'failed', message: messageOf(cut.reason) });
}

/** A session that is open while others are attacked, and a token that waits meanwhile. */
export interface Witness {
  /** The URL that waits. */
  url(): string;
  /** Looks whether both are as they were. The token is used then, and another one waits from there on. */
  check(): Promise<void>;
  close(): void;
}

export async function openWitness(sessions: EchoSessions): Promise<Witness> {
  const options = { tty: true, stdin: true };
  const session = await openRemote(sessions.execUrl(), options);
  let waiting = sessions.execUrl();
  let echoed = '';
  // What the client would collect is of no interest, and would look like growth.
  session.stdout.removeAllListeners('data');
  session.stdout.on('data', (piece: Buffer) => (echoed += piece.toString()));
  return {
    url: () => waiting,
    check: async () => {
      const url = waiting;
      waiting = sessions.execUrl();
      const word = `${randomUUID()} `;
      echoed = '';
      await session.stdin?.write(Buffer.from(word));
      await until('the echo', () => echoed.length >= word.length);
      assert.equal(echoed, word);
      (await openRemote(url, options)).client.destroy();
    },
    close: () => session.client.destroy(),
  };
}
