import type { LogMessage } from '../docker/engine.js';

/** `.` and nine digits, as all times have in what is written here; the driver leaves zeros at the end out. */
const FRACTION_DIGITS = 9;

/** What the driver `json-file` keeps of one message. */
interface JsonLogLine {
  readonly log: string;
  readonly stream: 'stdout' | 'stderr';
  readonly time: string;
}

/** A line of the Engine's driver `json-file` as the message that the Engine makes of it; undefined when it is none. */
export function parseJsonLogLine(line: string): LogMessage | undefined {
  const parsed = tryParse(line);
  if (!isJsonLogLine(parsed)) return undefined;
  const [, seconds = '', fraction = ''] = TIME.exec(parsed.time) ?? [];
  const time = `${seconds}.${fraction.padEnd(FRACTION_DIGITS, '0')}Z`;
  return { stream: parsed.stream, bytes: Buffer.from(`${time} ${parsed.log}`) };
}

/** The time of such a line, unix ms; NaN when it has none. It is what the line ends with. */
export function timeOfJsonLogLine(line: Buffer): number {
  const end = line.toString('latin1', Math.max(0, line.length - TIME_WINDOW_BYTES));
  return Date.parse(/"time":"([^"]*)"\}\s*$/.exec(end)?.[1] ?? '');
}

const TIME_WINDOW_BYTES = 60;
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

function tryParse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isJsonLogLine(value: unknown): value is JsonLogLine {
  return (
    typeof value === 'object' &&
    value !== null &&
    'log' in value &&
    typeof value.log === 'string' &&
    'stream' in value &&
    (value.stream === 'stdout' || value.stream === 'stderr') &&
    'time' in value &&
    typeof value.time === 'string' &&
    TIME.test(value.time)
  );
}
