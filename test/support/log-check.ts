import { closeSync, openSync, readSync } from 'node:fs';
import { lineText, type LineSpec } from './numbered-lines.js';

export interface LogFault {
  /** `cut`: a line's beginning is missing, its end is there. */
  readonly kind: 'lost' | 'doubled' | 'damaged' | 'cut';
  readonly stream: string;
  /** For a gap, the first line that is missing. */
  readonly line: number;
  readonly detail: string;
}

const RECORD = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) /;
const HEADER_BYTES = 40;
const NEWLINE = 0x0a;
const CHUNK_BYTES = 1024 * 1024;

/**
 * Compares a CRI log, given as its files from the oldest to the newest, with what was written: each line exactly once and
 * in order on its stream, to the byte. Answers every fault.
 */
export function checkLog(files: readonly string[], spec: LineSpec): LogFault[] {
  const faults: LogFault[] = [];
  const streams = new Map(
    spec.streams.map((stream) => [stream as string, new StreamCheck(stream, spec, faults)]),
  );
  for (const file of files) {
    for (const record of recordsOf(file)) {
      const [, stream = '', tag] = RECORD.exec(record.toString('latin1', 0, HEADER_BYTES)) ?? [];
      const check = streams.get(stream);
      if (check !== undefined && record[record.length - 1] === NEWLINE) {
        check.add(record.subarray(HEADER_BYTES, -1), tag === 'F');
        continue;
      }
      const detail = `no whole record of this log: ${JSON.stringify(record.toString('latin1', 0, 80))}`;
      faults.push({ kind: 'damaged', stream, line: 0, detail });
    }
  }
  for (const check of streams.values()) check.end();
  return faults;
}

/** One stream's lines, put together from their parts. */
class StreamCheck {
  readonly #stream: string;
  readonly #spec: LineSpec;
  readonly #faults: LogFault[];
  #parts: Buffer[] = [];
  #expected = 1;

  constructor(stream: string, spec: LineSpec, faults: LogFault[]) {
    this.#stream = stream;
    this.#spec = spec;
    this.#faults = faults;
  }

  add(text: Buffer, full: boolean): void {
    this.#parts.push(text);
    if (full) this.#line();
  }

  end(): void {
    if (this.#parts.length > 0) this.#line();
    this.#lostUpTo(this.#spec.lines + 1);
  }

  #line(): void {
    const text = Buffer.concat(this.#parts);
    this.#parts = [];
    const number = Number(/^(\d+) /.exec(text.toString('latin1', 0, 20))?.[1] ?? '0');
    if (!lineText(this.#spec, number).equals(text)) {
      const detail = `${text.length} bytes, ${JSON.stringify(text.toString('latin1', 0, 60))}`;
      const whole = lineText(this.#spec, this.#expected);
      const isEnd = text.length < whole.length && text.equals(whole.subarray(whole.length - text.length));
      this.#fault(isEnd ? 'cut' : 'damaged', this.#expected, detail);
      this.#expected += 1;
      return;
    }
    if (number < this.#expected) {
      this.#fault('doubled', number, `comes again where ${this.#expected} should`);
      return;
    }
    this.#lostUpTo(number);
    this.#expected = number + 1;
  }

  #lostUpTo(number: number): void {
    if (number <= this.#expected) return;
    this.#fault('lost', this.#expected, `${number - this.#expected} lines`);
  }

  #fault(kind: LogFault['kind'], line: number, detail: string): void {
    this.#faults.push({ kind, stream: this.#stream, line, detail });
  }
}

/** The lines of a file with their newlines; the last may lack it. */
function* recordsOf(file: string): Generator<Buffer> {
  const fd = openSync(file, 'r');
  try {
    let rest = Buffer.alloc(0);
    for (;;) {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      const bytes = readSync(fd, chunk);
      if (bytes === 0) break;
      const data = Buffer.concat([rest, chunk.subarray(0, bytes)]);
      let at = 0;
      for (let end = data.indexOf(NEWLINE); end !== -1; end = data.indexOf(NEWLINE, at)) {
        yield data.subarray(at, end + 1);
        at = end + 1;
      }
      rest = data.subarray(at);
    }
    if (rest.length > 0) yield rest;
  } finally {
    closeSync(fd);
  }
}
