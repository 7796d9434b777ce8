import type { LogFields, Logger } from '../../src/util/log.js';

export interface CapturedLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps what is logged, for tests that look at it. */
export function captureLog(
  context: LogFields = {},
  lines: CapturedLine[] = [],
): Logger & { lines: CapturedLine[] } {
  const at =
    (level: CapturedLine['level']) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields: { ...context, ...fields } });
    };
  return {
    lines,
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: (fields) => captureLog({ ...context, ...fields }, lines),
  };
}
