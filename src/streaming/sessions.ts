import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { runningSandboxOrThrow } from '../cri/port-forward.js';
import type { StreamRequest } from '../cri/streaming.js';
import { HostDialer, NetnsDialer } from '../network/netns-dialer.js';
import type { LoopbackDialer } from '../network/netns-dialer.js';
import { isHostNetwork } from '../state/records.js';
import { hasCode, Code, messageOf } from '../util/cri-error.js';
import { runAttach, runExec } from './exec.js';
import type { SessionDeps } from './exec.js';
import { asksFor } from './handshake.js';
import type { Outcome } from './outcome.js';
import type { RemoteStreams } from './remote-streams.js';
import type { Negotiate, ServeSession } from './server.js';
import { PORT_FORWARD_PROTOCOL, serveSpdyPortForward } from './spdy/port-forward.js';
import { openSpdyStreams, REMOTE_COMMAND_PROTOCOLS } from './spdy/remote-streams.js';
import type { SessionTimeouts } from './spdy/remote-streams.js';
import { acceptUpgrade, chooseProtocol } from './spdy/upgrade.js';

/** As Kubernetes' own streaming servers have it. */
export const SESSION_TIMEOUTS: SessionTimeouts = { creationTimeoutMs: 30_000, idleTimeoutMs: 4 * 3_600_000 };

type RemoteCommand = StreamRequest & { kind: 'exec' | 'attach' };
type PortForward = StreamRequest & { kind: 'portforward' };
type OpenStreams = (socket: Duplex, head: Buffer) => Promise<RemoteStreams>;

/** Chooses between SPDY and WebSocket, and serves what the token stands for. */
export function sessions(deps: SessionDeps, timeouts: SessionTimeouts = SESSION_TIMEOUTS): Negotiate {
  return (request, session) => {
    if (!asksFor(request, 'spdy/3.1')) return { status: 400, message: 'an upgrade to SPDY/3.1 is needed' };
    if (session.kind === 'portforward') {
      const protocol = chooseProtocol(request, [PORT_FORWARD_PROTOCOL]);
      if (typeof protocol !== 'string') return protocol;
      return portForward(deps, session, async (socket, head, dialer) => {
        acceptUpgrade(socket, protocol);
        socket.unshift(head);
        await serveSpdyPortForward(socket, dialer, timeouts);
      });
    }
    return spdyRemoteCommand(deps, request, session, timeouts);
  };
}

function spdyRemoteCommand(
  deps: SessionDeps,
  request: IncomingMessage,
  session: RemoteCommand,
  timeouts: SessionTimeouts,
): ReturnType<Negotiate> {
  const protocol = chooseProtocol(request, REMOTE_COMMAND_PROTOCOLS);
  if (typeof protocol !== 'string') return protocol;
  return remoteCommand(deps, session, (socket, head) => {
    acceptUpgrade(socket, protocol);
    socket.unshift(head);
    return openSpdyStreams(socket, protocol, session, timeouts);
  });
}

/** Serves an exec or attach session on the streams that `open` makes of the connection. */
function remoteCommand(deps: SessionDeps, session: RemoteCommand, open: OpenStreams): ServeSession {
  const log = deps.log.child({ session: session.kind, containerId: session.containerId });
  return async (socket, head, stop) => {
    // An aborted session sees its client go.
    const onStop = (): void => void socket.destroy();
    stop.addEventListener('abort', onStop);
    try {
      const streams = await open(socket, head);
      await streams.finish(await outcomeOf(deps, session, streams));
      log.debug('streaming session ended');
    } catch (error) {
      if (hasCode(error, Code.CANCELLED)) log.debug('streaming session cut off', { reason: error.message });
      else log.error('streaming session failed', { error });
      socket.destroy();
    } finally {
      stop.removeEventListener('abort', onStop);
    }
  };
}

/** Serves a port-forward session with connections that a dialer makes for it. */
function portForward(
  deps: SessionDeps,
  session: PortForward,
  serve: (socket: Duplex, head: Buffer, dialer: LoopbackDialer) => Promise<void>,
): ServeSession {
  return async (socket, head, stop) => {
    const onStop = (): void => void socket.destroy();
    stop.addEventListener('abort', onStop);
    let dialer: LoopbackDialer | undefined;
    try {
      const sandbox = runningSandboxOrThrow(await deps.mirror.current(stop), session.sandboxId);
      dialer = isHostNetwork(sandbox) ? new HostDialer() : new NetnsDialer(sandbox.pid);
      await serve(socket, head, dialer);
    } catch (error) {
      deps.log.warn('port-forward failed', { sandboxId: session.sandboxId, error: messageOf(error) });
      socket.destroy();
    } finally {
      dialer?.close();
      stop.removeEventListener('abort', onStop);
    }
  };
}

async function outcomeOf(
  deps: SessionDeps,
  session: RemoteCommand,
  streams: RemoteStreams,
): Promise<Outcome> {
  try {
    if (session.kind === 'exec') return await runExec(deps, session, streams);
    return await runAttach(deps, session, streams);
  } catch (error) {
    if (streams.gone.aborted) throw error;
    return { kind: 'failed', message: messageOf(error) };
  }
}
