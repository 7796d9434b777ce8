import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Refusal } from '../handshake.js';
import { listHeader } from '../handshake.js';

const PROTOCOL_HEADER = 'x-stream-protocol-version';

/** The first of the client's protocols that is among ours, or why there is none (Kubernetes' rule for SPDY). */
export function chooseProtocol<P extends string>(request: IncomingMessage, known: readonly P[]): P | Refusal {
  const offered = listHeader(request, PROTOCOL_HEADER);
  if (offered.length === 0) return { status: 400, message: `${PROTOCOL_HEADER}: required` };
  for (const protocol of offered) {
    const found = known.find((word) => word === protocol);
    if (found !== undefined) return found;
  }
  return {
    status: 403,
    message: `${PROTOCOL_HEADER}: none of ${offered.join(', ')} is served`,
    headers: { 'X-Accepted-Stream-Protocol-Versions': known.join(',') },
  };
}

/** Turns the connection over to SPDY/3.1. */
export function acceptUpgrade(socket: Duplex, protocol: string): void {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${protocol}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
}
