import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { pipeline, type Duplex, type Readable } from 'node:stream';
import { abortError } from './errors.js';

/** What a request of docker-modem's gives: the connection for one that was upgraded, else the response. */
type OnAnswer = (error: Error | null, answer: Duplex | IncomingMessage | null) => void;

/**
 * Sends what docker-modem has prepared, in the place of its own `buildRequest`: that formats all options of each request for
 * a debug line, which takes a third of the whole work of a request and shows credentials to whoever sets DEBUG. Each request is
 * one whose response is read as a stream. A response of any status is an answer.
 */
export function sendRequest(
  protocol: 'http' | 'https',
  { signal, ...options }: RequestOptions,
  { hijack }: { readonly hijack?: boolean },
  body: string | Readable | undefined,
  onAnswer: OnAnswer,
): void {
  let isAnswered = false;
  const answer: OnAnswer = (error, given) => {
    if (isAnswered) return;
    isAnswered = true;
    onAnswer(error, given);
  };
  let request: ClientRequest;
  try {
    request = (protocol === 'https' ? https : http).request(options);
  } catch (error) {
    // Such as a header that Node does not take.
    answer(error instanceof Error ? error : new Error(String(error)), null);
    return;
  }
  if (signal !== undefined) destroyOnAbort(request, signal, (error) => answer(error, null));
  if (hijack === true) {
    request.on('upgrade', (_response: IncomingMessage, connection: Duplex, head: Buffer) => {
      if (head.length > 0) connection.unshift(head);
      answer(null, connection);
    });
  }
  request.on('response', (response) => answer(null, response));
  request.on('error', (error) => answer(error, null));
  if (typeof body !== 'object') {
    request.end(body);
    return;
  }
  pipeline(body, request, (error) => {
    // Of the reading side; the request has told of its own.
    if (error) answer(error, null);
  });
}

/** As Node does for a request that has the signal, with one listener in the place of a dozen. */
function destroyOnAbort(request: ClientRequest, signal: AbortSignal, onError: (error: Error) => void): void {
  const onAbort = (): void => {
    const error = abortError(signal.reason);
    request.destroy(error);
    // A request that waits for a connection would tell of it when there is one.
    onError(error);
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  // It comes with the end of the response, or when the connection has become somebody's own.
  request.on('close', () => signal.removeEventListener('abort', onAbort));
}
