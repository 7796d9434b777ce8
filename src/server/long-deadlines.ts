import type { IncomingHttpHeaders } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

/** What a timer of Node holds, about 24.8 days. */
const MAX_TIMEOUT_SECONDS = Math.floor((2 ** 31 - 1) / 1000);

const UNIT_SECONDS: Readonly<Record<string, number>> = { H: 3600, M: 60, S: 1 };

/**
 * Makes grpc-js (1.14) take deadlines of any length. It keeps a call's timeout in 32 bits of milliseconds, so that a
 * longer one counts as passed at once; the kubelet sends such, since its StopContainer waits for the whole of a
 * pod's grace period. They are cut to the longest that a timer holds. The hook is not part of grpc-js's API: a
 * test tells when it no longer works.
 */
export function acceptLongDeadlines(server: Server): void {
  const handle: unknown = Reflect.get(server, '_streamHandler');
  if (typeof handle !== 'function') return;
  Reflect.set(
    server,
    '_streamHandler',
    (interceptors: unknown, stream: unknown, headers: IncomingHttpHeaders) => {
      cutTimeout(headers);
      Reflect.apply(handle, server, [interceptors, stream, headers]);
    },
  );
}

/** `grpc-timeout` is up to eight digits and a unit. */
function cutTimeout(headers: IncomingHttpHeaders): void {
  const [, digits, unit = ''] = /^(\d+)([HMS])$/.exec(String(headers['grpc-timeout'])) ?? [];
  if (Number(digits) * (UNIT_SECONDS[unit] ?? 0) > MAX_TIMEOUT_SECONDS) {
    headers['grpc-timeout'] = `${MAX_TIMEOUT_SECONDS}S`;
  }
}
