import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { pipeline, type Duplex, type Readable } from 'node:stream';

/** What a request of docker-modem's gives: the connection for one that was upgraded, else the response. */
type OnAnswer = (error: Error | null, answer: Duplex | IncomingMessage | null) => void;

/**
 * Sends what docker-modem has prepared, in the place of its own `buildRequest`: that formats all options of each request for
 * a debug line, which takes a third of the whole work of a request and shows credentials to whoever sets DEBUG. Each request is
 * one whose response is read as a stream. A response of any status is an answer.
 */
export function sendRequest(
  protocol: 'http' | 'https',
  options: RequestOptions,
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
