/** How an exec or attach session ended, for the client. */
export type Outcome =
  | { readonly kind: 'exited'; readonly exitCode: number }
  /** The session itself failed: the command could not be started, or the connection to the Engine broke. */
  | { readonly kind: 'failed'; readonly message: string };

/**
 * The outcome as version 4 and later of Kubernetes' remote command protocol tell it: a `Status` object. kubectl makes
 * the exit code of the cause `ExitCode` its own.
 */
export function statusObject(outcome: Outcome): Record<string, unknown> {
  const head = { metadata: {} };
  if (outcome.kind === 'failed') {
    const { message } = outcome;
    const details = { causes: [{ message }] };
    return {
      ...head,
      status: 'Failure',
      message: `Internal error occurred: ${message}`,
      reason: 'InternalError',
      details,
      code: 500,
    };
  }
  if (outcome.exitCode === 0) return { ...head, status: 'Success' };
  const exitCode = String(outcome.exitCode);
  return {
    ...head,
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    details: { causes: [{ reason: 'ExitCode', message: exitCode }] },
  };
}

/** The outcome as versions before 4 tell it: nothing for a success, else plain text. */
export function statusText(outcome: Outcome): string {
  if (outcome.kind === 'failed') return outcome.message;
  if (outcome.exitCode === 0) return '';
  return `command terminated with non-zero exit code: exit status ${outcome.exitCode}`;
}
