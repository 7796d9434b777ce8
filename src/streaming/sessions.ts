import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { runningSandboxOrThrow } from '../cri/streaming/port-forward.js';
import type { StreamRequest } from '../util/stream-request.js';
import { HostDialer } from '../network/netns-dialer.js';
import type { LoopbackDialer } from '../network/netns-dialer.js';
import { isHostNetwork } from '../state/records.js';
import { Code, CriError, hasCode, messageOf } from '../util/cri-error.js';
import { runAttach, runExec } from './exec.js';
import type { SessionDeps } from './exec.js';
import { asksFor } from './handshake.js';
import type { Outcome } from './outcome.js';
import { TELL_TIMEOUT_MS } from './remote-streams.js';
import type { RemoteStreams } from './remote-streams.js';
import type { Negotiate, ServeSession } from './server.js';
import { PORT_FORWARD_PROTOCOL, serveSpdyPortForward } from './spdy/port-forward.js';
import { openSpdyStreams, REMOTE_COMMAND_PROTOCOLS } from './spdy/remote-streams.js';
import type { SessionTimeouts } from './spdy/remote-streams.js';
import { acceptUpgrade, chooseProtocol } from './spdy/upgrade.js';
import { acceptWebSocket, chooseSubprotocol } from './websocket/accept.js';
import { hasChannelsFor, PORT_FORWARD_FORMS, serveWebSocketPortForward } from './websocket/port-forward.js';
import type { PortForwardSubprotocol } from './websocket/port-forward.js';
import { openWebSocketStreams, REMOTE_COMMAND_FORMS } from './websocket/remote-streams.js';
import type { RemoteCommandSubprotocol } from './websocket/remote-streams.js';
import { Tunnel, TUNNEL_PROTOCOL } from './websocket/tunnel.js';

/** As Kubernetes' own streaming servers have it. */
const TIMEOUTS: SessionTimeouts = { creationTimeoutMs: 30_000, idleTimeoutMs: 4 * 3_600_000 };

type RemoteCommand = StreamRequest & { kind: 'exec' | 'attach' };
type PortForward = StreamRequest & { kind: 'portforward' };
type OpenStreams = (socket: Duplex, head: Buffer, stop: AbortSignal) => Promise<RemoteStreams>;
type ServePorts = (socket: Duplex, head: Buffer, dialer: LoopbackDialer, stop: AbortSignal) => Promise<void>;

/** Chooses between SPDY and WebSocket, and serves what the token stands for. */
export function sessions(deps: SessionDeps, timeouts: SessionTimeouts = TIMEOUTS): Negotiate {
  return (request, session) => {
    const isSpdy = asksFor(request, 'spdy/3.1');
    if (!isSpdy && !asksFor(request, 'websocket')) {
      return { status: 400, message: 'an upgrade to SPDY/3.1 or websocket is needed' };
    }
    if (session.kind === 'portforward') {
      const serve = isSpdy ? spdyPorts(request, timeouts) : webSocketPorts(request, session, timeouts);
      return typeof serve === 'function' ? portForward(deps, session, serve) : serve;
    }
    const open = isSpdy
      ? spdyStreams(request, session, timeouts)
      : webSocketStreams(request, session, timeouts);
    return typeof open === 'function' ? remoteCommand(deps, session, open) : open;
  };
}

function spdyStreams(request: IncomingMessage, session: RemoteCommand, timeouts: SessionTimeouts) {
  const protocol = chooseProtocol(request, REMOTE_COMMAND_PROTOCOLS);
  if (typeof protocol !== 'string') return protocol;
  const open: OpenStreams = (socket, head, stop) => {
    acceptUpgrade(socket, protocol);
    socket.unshift(head);
    return openSpdyStreams(socket, protocol, session, timeouts, stop);
  };
  return open;
}

function webSocketStreams(request: IncomingMessage, session: RemoteCommand, timeouts: SessionTimeouts) {
  const known = Object.keys(REMOTE_COMMAND_FORMS) as RemoteCommandSubprotocol[];
  const protocol = chooseSubprotocol(request, known);
  if (typeof protocol !== 'string') return protocol;
  const open: OpenStreams = async (socket, head, stop) => {
    const webSocket = await webSocketOrThrow(request, socket, head, protocol);
    return openWebSocketStreams(webSocket, socket, protocol, session, timeouts.idleTimeoutMs, stop);
  };
  return open;
}

function spdyPorts(request: IncomingMessage, timeouts: SessionTimeouts) {
  const protocol = chooseProtocol(request, [PORT_FORWARD_PROTOCOL]);
  if (typeof protocol !== 'string') return protocol;
  const serve: ServePorts = (socket, head, dialer, stop) => {
    acceptUpgrade(socket, protocol);
    socket.unshift(head);
    return serveSpdyPortForward(socket, dialer, timeouts, stop);
  };
  return serve;
}

function webSocketPorts(request: IncomingMessage, session: PortForward, timeouts: SessionTimeouts) {
  const known = [...(Object.keys(PORT_FORWARD_FORMS) as PortForwardSubprotocol[]), TUNNEL_PROTOCOL] as const;
  const protocol = chooseSubprotocol(request, known);
  if (typeof protocol !== 'string') return protocol;
  if (protocol !== TUNNEL_PROTOCOL && !hasChannelsFor(session.ports, protocol)) {
    const message = `${session.ports.length} ports in the PortForward request: WebSocket channels take some, not many`;
    return { status: 400, message };
  }
  const serve: ServePorts = async (socket, head, dialer, stop) => {
    const webSocket = await webSocketOrThrow(request, socket, head, protocol);
    const { idleTimeoutMs } = timeouts;
    if (protocol === TUNNEL_PROTOCOL) {
      await serveSpdyPortForward(new Tunnel(webSocket, socket), dialer, timeouts, stop);
    } else {
      const { ports } = session;
      await serveWebSocketPortForward(webSocket, socket, protocol, ports, dialer, idleTimeoutMs, stop);
    }
  };
  return serve;
}

async function webSocketOrThrow(request: IncomingMessage, socket: Duplex, head: Buffer, protocol: string) {
  const webSocket = await acceptWebSocket(request, socket, head, protocol);
  if (webSocket === undefined) throw new CriError(Code.CANCELLED, 'the WebSocket handshake failed');
  return webSocket;
}

/** Serves an exec or attach session on the streams that `open` makes of the connection. */
function remoteCommand(deps: SessionDeps, session: RemoteCommand, open: OpenStreams): ServeSession {
  const log = deps.log.child({ session: session.kind, containerId: session.containerId });
  return async (socket, head, stop) => {
    let tooLong: NodeJS.Timeout | undefined;
    const outlasting: Promise<void>[] = [];
    try {
      const streams = await open(socket, head, stop);
      const onCut = (): void => {
        tooLong = setTimeout(() => socket.destroy(), TELL_TIMEOUT_MS);
        log.info('streaming session cut off', { reason: messageOf(streams.cut.reason) });
      };
      const outcome = await outcomeOf(deps, session, streams, outlasting);
      // From here on only a client that reads nothing can be in the way.
      if (streams.cut.aborted) onCut();
      else streams.cut.addEventListener('abort', onCut, { once: true });
      await streams.finish(outcome);
      streams.cut.removeEventListener('abort', onCut);
      log.debug('streaming session ended');
    } catch (error) {
      if (hasCode(error, Code.CANCELLED)) log.debug('streaming session cut off', { reason: error.message });
      else log.error('streaming session failed', { error });
      // One that was told why is given the time to read it.
      if (!socket.writableEnded) socket.destroy();
    } finally {
      clearTimeout(tooLong);
    }
    await Promise.all(outlasting);
  };
}

/** A session that is cut off has failed, also when its command would have ended well: nobody knows. */
async function outcomeOf(
  deps: SessionDeps,
  session: RemoteCommand,
  streams: RemoteStreams,
  outlasting: Promise<void>[],
): Promise<Outcome> {
  try {
    if (session.kind === 'exec') return await runExec(deps, session, streams, outlasting);
    return await runAttach(deps, session, streams);
  } catch (error) {
    return { kind: 'failed', message: messageOf(error) };
  }
}

/** Serves a port-forward session with connections that a dialer makes for it. */
function portForward(deps: SessionDeps, session: PortForward, serve: ServePorts): ServeSession {
  const log = deps.log.child({ session: session.kind, sandboxId: session.sandboxId });
  return async (socket, head, stop) => {
    let dialer: LoopbackDialer | undefined;
    try {
      const sandbox = runningSandboxOrThrow(await deps.mirror.current(stop), session.sandboxId);
      dialer = isHostNetwork(sandbox) ? new HostDialer() : deps.dialers.open(sandbox.pid);
      await serve(socket, head, dialer, stop);
      log.debug('streaming session ended');
    } catch (error) {
      log.warn('streaming session failed', { error: messageOf(error) });
      socket.destroy();
    } finally {
      dialer?.close();
    }
  };
}
