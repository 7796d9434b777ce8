/**
 * The gRPC status codes that cridock answers with, by their numbers on the wire
 * (https://grpc.io/docs/guides/status-codes). Kept here so that only `server/` needs the gRPC package.
 */
export const Code = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export type CodeName = keyof typeof Code;
export type Code = (typeof Code)[CodeName];

/** The name of a status, as metrics and log lines have it; undefined means that the call succeeded. */
export function nameOfCode(code: Code | undefined): CodeName | 'OK' {
  if (code === undefined) return 'OK';
  const names = Object.keys(Code) as CodeName[];
  return names.find((name) => Code[name] === code) ?? 'UNKNOWN';
}

/**
 * The one error type that crosses layers: what goes wrong is translated into it once, where it happens, and
 * turned into a gRPC status and logged once, at the edge (`server/unary.ts`).
 *
 * `message` goes to the caller as it is: it names the field or the object, and never holds a credential.
 */
export class CriError extends Error {
  override readonly name = 'CriError';
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** INVALID_ARGUMENT that names the offending request field, as `config.metadata.name: must not be empty`. */
export function invalidArgument(field: string, problem: string, options?: ErrorOptions): CriError {
  return new CriError(Code.INVALID_ARGUMENT, `${field}: ${problem}`, options);
}

/** True for a CriError that carries this code. */
export function hasCode(error: unknown, code: Code): error is CriError {
  return error instanceof CriError && error.code === code;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Removes and stops must succeed on objects that are gone; everything else still throws. */
export async function unlessGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof CriError && error.code === Code.NOT_FOUND)) throw error;
  }
}
