import type { CallContext } from '../util/call-context.js';
import { Code, CriError, nameOfCode } from '../util/cri-error.js';

/** A call that was answered with an error status. */
export interface Failure {
  /** What the client gets. */
  readonly status: CriError;
  /** What was thrown: the same, or what is better kept from the client. */
  readonly thrown: unknown;
}

/** What a handler threw, as a status: its own CriError, why the call was given up, or INTERNAL without details. */
export function toFailure(thrown: unknown, { rpc, signal }: CallContext): Failure {
  if (thrown instanceof CriError) return { status: thrown, thrown };
  const reason: unknown = signal.aborted ? signal.reason : undefined;
  if (reason instanceof CriError) return { status: reason, thrown };
  return { status: new CriError(Code.INTERNAL, `internal error in ${rpc}; the log has the details`), thrown };
}

/** A status in the form that grpc-js takes. */
export function toGrpcStatus({ status }: Failure): { code: number; details: string } {
  return { code: status.code, details: wireText(status.message) };
}

/** The name of the gRPC status that a call ended with; undefined is success. */
export function codeName(failure: Failure | undefined): string {
  return nameOfCode(failure?.status.code);
}

/** Percent-encoded, this many characters stay below nghttp2's limit of 64 KiB for a block of headers. */
const MAX_MESSAGE_CHARS = 4096;

/** grpc-js percent-encodes the message with encodeURI, which throws on half a surrogate pair. */
function wireText(message: string): string {
  const cut = message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}...` : message;
  return Buffer.from(cut).toString();
}

/** How a call ended. */
export interface Served {
  /** Undefined when the request was not decoded. */
  readonly request: object | undefined;
  /** Undefined for a call that succeeded. */
  readonly failure: Failure | undefined;
}
