import { STATUS_CODES } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** A request that is answered with an HTTP error instead of a session. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The words of a header that holds a comma-separated list, over all its occurrences. */
export function listHeader(request: IncomingMessage, name: string): string[] {
  return (request.headersDistinct[name] ?? [])
    .flatMap((value) => value.split(','))
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** True when the request asks for this protocol on its connection. */
export function asksFor(request: IncomingMessage, protocol: string): boolean {
  const has = (name: string, wanted: string) =>
    listHeader(request, name).some((word) => word.toLowerCase() === wanted);
  return has('connection', 'upgrade') && has('upgrade', protocol);
}

/** Answers an upgrade request with an error and ends its connection. */
export function refuse(socket: Duplex, { status, message, headers = {} }: Refusal): void {
  const body = `${message}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
