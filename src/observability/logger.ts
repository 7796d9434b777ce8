import { fstatSync } from 'node:fs';
import { createLogger as createWinston, format, transports } from 'winston';
import type { LogFields, Logger } from '../util/log.js';
import { LOG_LEVELS } from '../util/log.js';
import type { LogLevel } from '../util/log.js';
import { redact } from '../util/redact.js';

export type LogFormat = 'text' | 'json';

/** The logger of the whole process, whose level can change while it runs. */
export interface RootLogger extends Logger {
  setLevel(level: LogLevel): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `text` writes lines as cri-dockerd does: `time="..." level=info msg="..." key=value`. */
  readonly format: LogFormat;
  /** Standard error when absent. */
  readonly stream?: NodeJS.WritableStream;
  /** True where the stream leads to systemd's journal: each line begins with its priority, as `<4>`, which the journal takes off. */
  readonly toJournal?: boolean;
}

/** syslog's numbers, by which `journalctl -p` selects (sd-daemon(3)). */
const JOURNAL_PRIORITIES: Readonly<Record<string, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** True when standard error is the stream to the journal whose device and inode systemd names in JOURNAL_STREAM. */
export function isJournal(named: string | undefined): boolean {
  if (named === undefined) return false;
  try {
    const { dev, ino } = fstatSync(process.stderr.fd);
    return named === `${dev}:${ino}`;
  } catch {
    return false; // it is closed
  }
}

/** Fields are redacted (util/redact.ts); errors among them come with their stack. */
export function createLogger(options: LoggerOptions): RootLogger {
  const { level, format: shape, stream = process.stderr, toJournal = false } = options;
  const priority = (line: Line): string => (toJournal ? `<${JOURNAL_PRIORITIES[line.level]}>` : '');
  const winston = createWinston({
    levels: Object.fromEntries(LOG_LEVELS.map((name, rank) => [name, rank])),
    level: 'debug', // what is below the level never gets as far as winston
    format: format.combine(
      format.timestamp(),
      format.printf((line) => priority(line) + (shape === 'json' ? jsonLine(line) : textLine(line))),
    ),
  });
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston declares its transports as interfaces
  winston.add(new transports.Stream({ stream }));
  // The reader of the log may go away (EPIPE); that must not end the service.
  stream.on('error', () => undefined);

  let threshold = LOG_LEVELS.indexOf(level);
  const write = (at: LogLevel, message: string, fields: LogFields): void => {
    winston.log({ level: at, message, fields: redact(fields) });
  };
  const loggerWith = (context: LogFields): Logger => ({
    error: (message, fields) => write('error', message, { ...context, ...fields }),
    warn: (message, fields) => {
      if (threshold >= 1) write('warn', message, { ...context, ...fields });
    },
    info: (message, fields) => {
      if (threshold >= 2) write('info', message, { ...context, ...fields });
    },
    debug: (message, fields) => {
      if (threshold >= 3) write('debug', message, { ...context, ...fields });
    },
    child: (fields) => loggerWith({ ...context, ...fields }),
  });
  return {
    ...loggerWith({}),
    setLevel: (next) => {
      threshold = LOG_LEVELS.indexOf(next);
    },
  };
}

/** A line on its way through winston. */
interface Line {
  level: string;
  message?: unknown;
  timestamp?: unknown;
  fields?: unknown;
}

function jsonLine({ timestamp, level, message, fields }: Line): string {
  return JSON.stringify({ time: timestamp, level, msg: message, ...fieldsOf(fields) });
}

/** As logrus writes it, which is what readers of cri-dockerd's log expect. */
function textLine({ timestamp, level, message, fields }: Line): string {
  const pairs = Object.entries(fieldsOf(fields)).map(([key, value]) => ` ${key}=${textValue(value)}`);
  return `time=${JSON.stringify(timestamp)} level=${level} msg=${JSON.stringify(message)}${pairs.join('')}`;
}

function textValue(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text);
}

function fieldsOf(fields: unknown): object {
  return typeof fields === 'object' && fields !== null ? fields : {};
}
