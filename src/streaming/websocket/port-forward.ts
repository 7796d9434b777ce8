import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { LoopbackDialer } from '../../network/netns-dialer.js';
import { Code, CriError } from '../../util/cri-error.js';
import { forward, SessionBuffers } from '../forward.js';
import { TELL_TIMEOUT_MS, clientGone } from '../remote-streams.js';
import { Channels } from './channels.js';
import type { ChannelForm } from './channels.js';

const BINARY: ChannelForm = { base64: false, closes: false };

/** Kubernetes' port-forward protocols over WebSocket channels. */
export const PORT_FORWARD_FORMS = {
  'v4.channel.k8s.io': BINARY,
  'v4.base64.channel.k8s.io': { ...BINARY, base64: true },
  '': BINARY,
} as const satisfies Record<string, ChannelForm>;
export type PortForwardSubprotocol = keyof typeof PORT_FORWARD_FORMS;

/** Each port takes two channels, and a message names its channel by a byte, or a digit. */
export function hasChannelsFor(ports: readonly number[], protocol: PortForwardSubprotocol): boolean {
  const channels = PORT_FORWARD_FORMS[protocol].base64 ? 10 : 256;
  return ports.length > 0 && 2 * ports.length <= channels;
}

/**
 * Forwards one connection for each port until the client goes, or `stop` aborts: channel 2n carries the data of the n-th port, channel
 * 2n+1 its error. Both begin with the port, 16 bits in little endian.
 */
export async function serveWebSocketPortForward(
  webSocket: WebSocket,
  socket: Duplex,
  protocol: PortForwardSubprotocol,
  ports: readonly number[],
  dialer: LoopbackDialer,
  idleTimeoutMs: number,
  stop: AbortSignal,
): Promise<void> {
  const cut = new AbortController();
  setMaxListeners(0, cut.signal); // one for each port
  const onStop = (): void => cut.abort(stop.reason);
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop);
  const buffers = new SessionBuffers();
  await new Promise<void>((resolve) => {
    const channels = new Channels(webSocket, socket, {
      ...PORT_FORWARD_FORMS[protocol],
      count: 2 * ports.length,
      idleTimeoutMs,
      onProblem: (problem) => cut.abort(new CriError(Code.CANCELLED, problem)),
      onClose: resolve,
    });
    const forwards = ports.map((port, index) => {
      const data = channels.get(2 * index);
      const error = channels.get(2 * index + 1);
      const greeting = Buffer.alloc(2);
      greeting.writeUInt16LE(port);
      data.write(greeting);
      error.write(greeting);
      error.resume();
      return forward(dialer, port, { data, error }, cut.signal, buffers);
    });
    void Promise.all(forwards).then(() => channels.close());
    cut.signal.addEventListener('abort', () => {
      const tooLong = setTimeout(() => channels.terminate(), TELL_TIMEOUT_MS);
      webSocket.once('close', () => clearTimeout(tooLong));
    });
  });
  stop.removeEventListener('abort', onStop);
  cut.abort(clientGone());
}
