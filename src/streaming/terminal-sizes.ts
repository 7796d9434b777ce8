import type { TerminalSize } from '../docker/types.js';

/** A size takes some thirty characters. */
const MAX_UNFINISHED_CHARACTERS = 1024;
const MAX_SIDE = 65_535;

/** Reads the resize stream: JSON objects `{"Width":80,"Height":25}` one behind the other. What is no size is ignored. */
export class SizeReader {
  #rest = '';

  /** The last size in what has come until now, as an older one is of no interest; undefined when there is none. */
  push(chunk: Buffer): TerminalSize | undefined {
    this.#rest += chunk.toString('latin1');
    let last: TerminalSize | undefined;
    let end: number;
    while ((end = this.#rest.indexOf('}')) !== -1) {
      last = parseSize(this.#rest.slice(0, end + 1)) ?? last;
      this.#rest = this.#rest.slice(end + 1);
    }
    if (this.#rest.length > MAX_UNFINISHED_CHARACTERS) this.#rest = '';
    return last;
  }
}

function parseSize(text: string): TerminalSize | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { Width: width, Height: height } = parsed as Record<string, unknown>;
  return isSide(width) && isSide(height) ? { width, height } : undefined;
}

function isSide(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_SIDE;
}
