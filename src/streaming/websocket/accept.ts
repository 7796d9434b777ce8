import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Refusal } from '../handshake.js';
import { listHeader } from '../handshake.js';

const PROTOCOL_HEADER = 'sec-websocket-protocol';
/** Clients send some tens of KiB at a time. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** The first of the client's subprotocols that is among ours; '' where it names none and that is among them. */
export function chooseSubprotocol<P extends string>(
  request: IncomingMessage,
  known: readonly P[],
): P | Refusal {
  const offered = listHeader(request, PROTOCOL_HEADER);
  const wanted = offered.length === 0 ? [''] : offered;
  for (const protocol of wanted) {
    const found = known.find((word) => word === protocol);
    if (found !== undefined) return found;
  }
  return { status: 400, message: `${PROTOCOL_HEADER}: none of "${wanted.join(', ')}" is served` };
}

/**
 * Makes a WebSocket of the connection. The subprotocol is negotiated here and not by `ws`, which refuses names with a
 * slash, such as that of Kubernetes' tunnel. Answers undefined when the handshake is broken: it was refused then.
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string,
): Promise<WebSocket | undefined> {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  delete request.headers['sec-websocket-protocol'];
  server.on('headers', (headers) => {
    if (protocol !== '') headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  return new Promise((resolve) => {
    socket.once('close', () => resolve(undefined));
    server.handleUpgrade(request, socket, head, (webSocket) => {
      // Errors of the connection are followed by its close.
      webSocket.on('error', () => undefined);
      // What came with the handshake would be lost while nobody listens; WebSocketLink resumes.
      webSocket.pause();
      resolve(webSocket);
    });
  });
}
