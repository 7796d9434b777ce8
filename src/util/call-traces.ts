import type { Code } from './cri-error.js';

/** Follows the calls that cridock serves as traces; `observability/tracing.ts` implements it. */
export interface CallTraces {
  /** A call of `path`, such as `/runtime.v1.RuntimeService/Version`, has come; `header` reads what its caller sent along. */
  begin(path: string, header: (name: string) => string | undefined): CallTrace;
}

/** One call from its arrival to its end. */
export interface CallTrace {
  /** Does the call's work, so that what is done for it is told as its part. Answers what `work` does. */
  run<T>(work: () => T): T;
  /** The call has ended, with this status; undefined is success. */
  end(code: Code | undefined): void;
}

/** Follows nothing. */
export const noCallTraces: CallTraces = {
  begin: () => ({ run: (work) => work(), end: () => undefined }),
};
