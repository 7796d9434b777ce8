import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { CriError, Code, invalidArgument } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { toGrpcStatus } from './failure.js';

/** What a timer of Node holds, about 24.8 days. */
const MAX_TIMEOUT_SECONDS = Math.floor((2 ** 31 - 1) / 1000);

/** How many the hook that is known takes. */
const HOOK_ARGUMENTS = 3;

const UNIT_SECONDS: Readonly<Record<string, number>> = { H: 3600, M: 60, S: 1 };

/**
 * Looks at the headers of each call before grpc-js (1.14) does:
 *
 * - Deadlines may be of any length. grpc-js keeps a call's timeout in 32 bits of milliseconds, so that a longer one
 *   counts as passed at once; the kubelet sends such, since its StopContainer waits for the whole of a pod's grace
 *   period. They are cut to the longest that a timer holds.
 * - What grpc-js would answer with INTERNAL, and tell no log, is the client's fault, and refused as such: a timeout
 *   that is none, and compressed messages, which no client of the CRI sends.
 *
 * The hook is not part of grpc-js's API. Where it is not the known one, a line says so, and grpc-js answers as it does by
 * itself: such timeouts count as passed.
 */
export function watchCallHeaders(server: Server, log: Logger): void {
  const handle: unknown = Reflect.get(server, '_streamHandler');
  if (typeof handle !== 'function' || handle.length !== HOOK_ARGUMENTS) {
    log.warn('grpc-js has changed: timeouts of more than 24 days count as passed');
    return;
  }
  Reflect.set(
    server,
    '_streamHandler',
    (interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const problem = problemOf(headers);
      if (problem === undefined) {
        cutTimeout(headers);
        Reflect.apply(handle, server, [interceptors, stream, headers]);
      } else {
        log.warn('call refused', { path: headers[':path'], reason: problem.message });
        refuse(stream, problem);
      }
    },
  );
}

function problemOf(headers: IncomingHttpHeaders): CriError | undefined {
  const timeout = headers['grpc-timeout'];
  if (timeout !== undefined && !/^\d{1,8}[HMSmun]$/.test(String(timeout))) {
    return invalidArgument('grpc-timeout', 'is not a timeout');
  }
  const encoding = headers['grpc-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return new CriError(Code.UNIMPLEMENTED, 'grpc-encoding: compressed messages are not taken');
  }
  return undefined;
}

/** Answers with a status alone; the client's message is read and forgotten. */
function refuse(stream: ServerHttp2Stream, problem: CriError): void {
  const { code, details } = toGrpcStatus({ status: problem, thrown: problem });
  stream.on('error', () => undefined); // a client that has gone
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-status': String(code),
      'grpc-message': encodeURI(details),
    },
    { endStream: true },
  );
  stream.resume();
}

/** `grpc-timeout` is up to eight digits and a unit. */
function cutTimeout(headers: IncomingHttpHeaders): void {
  const [, digits, unit = ''] = /^(\d+)([HMS])$/.exec(String(headers['grpc-timeout'])) ?? [];
  if (Number(digits) * (UNIT_SECONDS[unit] ?? 0) > MAX_TIMEOUT_SECONDS) {
    headers['grpc-timeout'] = `${MAX_TIMEOUT_SECONDS}S`;
  }
}
