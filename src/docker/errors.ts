import { Code, CriError, messageOf } from '../util/cri-error.js';

/**
 * The one translation of what the Engine, or the connection to it, answers with into CriError.
 * Engine: 400 INVALID_ARGUMENT, 401 UNAUTHENTICATED, 403 PERMISSION_DENIED, 404 NOT_FOUND, 409 ALREADY_EXISTS for a
 * taken name, ABORTED for the log of what is being removed and FAILED_PRECONDITION for the rest, 501 UNIMPLEMENTED, 503 UNAVAILABLE, all else UNKNOWN.
 */
export function responseError(status: number, body: string): CriError {
  const text = withoutQueries(messageIn(body).trim());
  return new CriError(codeOf(status, text), text === '' ? `Docker Engine answered HTTP ${status}` : text);
}

/** A request that got no answer, or only a part of one: what the abort says, else UNAVAILABLE. */
export function transportError(error: unknown, endpoint: string, signal?: AbortSignal): CriError {
  if (signal?.aborted === true) return abortError(signal.reason);
  if (error instanceof CriError) return error;
  return new CriError(Code.UNAVAILABLE, `Docker Engine at ${endpoint}: ${connectionFailure(error)}`, {
    cause: error,
  });
}

/** A given-up call: the CriError it was aborted with, DEADLINE_EXCEEDED for a timeout, else CANCELLED. */
export function abortError(reason: unknown): CriError {
  if (reason instanceof CriError) return reason;
  if (reason instanceof DOMException && reason.name === 'TimeoutError') {
    return new CriError(Code.DEADLINE_EXCEEDED, 'the call ran out of time', { cause: reason });
  }
  return new CriError(Code.CANCELLED, 'the call was cancelled', { cause: reason });
}

/** True for an UNAVAILABLE that came of a connection which the other side had closed, such as one kept from before. */
export function isResetConnection(error: unknown): boolean {
  if (!(error instanceof CriError) || !(error.cause instanceof Error)) return false;
  const { code } = error.cause as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

/** True when the Engine refuses the API version in the request's path: it was exchanged since the handshake. */
export function isRefusedVersion(error: unknown): boolean {
  return error instanceof CriError && /^client version \S+ is too (new|old)\b/.test(error.message);
}

/** True for the refusal of a removal because another one is under way. */
export function isRemovalInProgress(error: unknown): boolean {
  return error instanceof CriError && /^removal of container \S+ is already in progress/.test(error.message);
}

/** Node's words, but for two that say nothing: `aborted`, and none at all when several addresses were tried. */
function connectionFailure(error: unknown): string {
  const text = messageOf(error);
  if (text === 'aborted') return 'the connection broke within an answer';
  return text === '' && error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : text;
}

function codeOf(status: number, text: string): Code {
  switch (status) {
    case 400:
      return Code.INVALID_ARGUMENT;
    case 401:
      return Code.UNAUTHENTICATED;
    case 403:
      return Code.PERMISSION_DENIED;
    case 404:
      return Code.NOT_FOUND;
    case 409:
      if (/\bname "?\S+ is already in use\b/.test(text)) return Code.ALREADY_EXISTS;
      return /\bdead or marked for removal\b/.test(text) ? Code.ABORTED : Code.FAILED_PRECONDITION;
    case 501:
      return Code.UNIMPLEMENTED;
    case 503:
      return Code.UNAVAILABLE;
    default:
      // HTTP 500 for an image that another request has just removed.
      return /^unrecognized image ID\b/.test(text) ? Code.NOT_FOUND : Code.UNKNOWN;
  }
}

/** `{"message":"..."}`, or the text itself: path versions below 1.24 are refused in plain text. */
function messageIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message);
  } catch {
    // Not JSON: plain text.
  }
  return body;
}

/** Registries redirect to signed URLs, and the Engine quotes them in its errors: their queries are credentials. */
function withoutQueries(text: string): string {
  return text.replace(/(\bhttps?:\/\/[^\s"?]+)\?[^\s"]*/g, '$1');
}
