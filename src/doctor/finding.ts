/** What one check of the node found. */
export interface Finding {
  /** A short name that scripts can rely on, such as `engine` or `cni-config`. */
  readonly check: string;
  /** `failure`: pods cannot run, or not well; `warning`: something that the operator should know. */
  readonly level: 'ok' | 'warning' | 'failure';
  /** One sentence. */
  readonly message: string;
  /** What to do about it; '' for `ok`. */
  readonly remedy: string;
}

export function ok(check: string, message: string): Finding {
  return { check, level: 'ok', message, remedy: '' };
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, level: 'warning', message, remedy };
}

export function failure(check: string, message: string, remedy: string): Finding {
  return { check, level: 'failure', message, remedy };
}
