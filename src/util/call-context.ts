import type { Logger } from './log.js';

/** What a handler knows of the call that it serves, besides the request. */
export interface CallContext {
  /** The RPC's name, such as `RunPodSandbox`. */
  readonly rpc: string;
  /**
   * Aborts when nobody waits for the answer any more. Its reason is a CriError: CANCELLED when the client gave
   * up, went away or the server is made to stop, DEADLINE_EXCEEDED when the call's deadline passed.
   */
  readonly signal: AbortSignal;
  /** Adds the RPC's name to every line. */
  readonly log: Logger;
}
