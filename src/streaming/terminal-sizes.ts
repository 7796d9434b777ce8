import type { TerminalSize } from '../docker/types.js';

/** A size takes some thirty characters. */
const MAX_SIZE_CHARACTERS = 1024;
const MAX_SIDE = 65_535;

/** Reads the resize stream: JSON objects `{"Width":80,"Height":25}` one behind the other. What is no size is ignored. */
export class SizeReader {
  /** What may be the beginning of a size. */
  #rest = '';

  /**
   * The size that the last whole object in what has come until now is, as an older one is of no interest; undefined when there is
   * none. However much has come, no more than its end is looked at.
   */
  push(chunk: Buffer): TerminalSize | undefined {
    const tail = chunk.toString('latin1', Math.max(0, chunk.length - MAX_SIZE_CHARACTERS));
    const text = (this.#rest + tail).slice(-MAX_SIZE_CHARACTERS);
    const end = text.lastIndexOf('}') + 1;
    this.#rest = text.slice(end);
    const start = text.lastIndexOf('{', end - 1);
    return end === 0 || start === -1 ? undefined : parseSize(text.slice(start, end));
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
