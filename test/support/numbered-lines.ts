/** What a container of a log test writes: numbered lines whose every byte is known. */
export interface LineSpec {
  /** Lines on each stream. */
  readonly lines: number;
  readonly streams: readonly ('stdout' | 'stderr')[];
  /** Follows the number: repeated bytes, none of them a newline, NUL, `%` or a quote. */
  readonly unit: Buffer;
  readonly repeat: number;
  /** Lines between two pauses, and their length. */
  readonly burst: number;
  readonly pauseMs: number;
}

/** Line `number` (from 1) as it stands in the log, without a newline. */
export function lineText({ unit, repeat }: LineSpec, number: number): Buffer {
  return Buffer.concat([Buffer.from(`${number} `), ...Array.from({ length: repeat }, () => unit)]);
}

/** The shell command that writes the lines. The last line of each stream has no newline. */
export function writeCommand({ lines, streams, unit, repeat, burst, pauseMs }: LineSpec): string {
  const octal = [...unit].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  const print = streams.map((stream) => `printf "%d %s%s", k, pad, end > "/dev/${stream}"`);
  return `awk 'BEGIN { u = "${octal}"; for (n = ${repeat}; n > 0; n = int(n / 2)) { if (n % 2) pad = pad u; u = u u }
    for (k = 1; k <= ${lines}; k++) { end = k < ${lines} ? "\\n" : ""; ${print.join('; ')};
      if (k % ${burst} == 0) { fflush(); system("usleep ${pauseMs * 1000}") } } }'`;
}
