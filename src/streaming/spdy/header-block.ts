import { constants, inflateRawSync } from 'node:zlib';
import { headerDictionary } from './dictionary.js';
import { SpdyError } from './frame-reader.js';

/**
 * An inflated header block may have no more than this. Kubernetes' clients send three headers in some 60 bytes, and a stream that
 * is refused, or not known, still has its block inflated: few bytes on the wire can be as many as this.
 */
const MAX_INFLATED_BYTES = 8 * 1024;
const MAX_HEADERS = 64;

/** Deflate refers back to no more than this. */
const WINDOW_BYTES = 32 * 1024;

/** Room for the window to move through, so that it is copied once in many blocks. */
const HISTORY_BYTES = WINDOW_BYTES + 2 * MAX_INFLATED_BYTES;

/** The zlib header with the "preset dictionary" bit, and the dictionary's checksum behind it. */
const ZLIB_HEADER_BYTES = 6;

/**
 * Reads the header blocks of one direction of a connection, which are one zlib stream, flushed behind each block. All
 * that inflating carries over such a flush is the last 32 KiB of output: with it as its dictionary each block is
 * inflated by itself, at once and with a bound on its size.
 */
export class HeaderReader {
  /** What was inflated last, behind what the peer's compressor began with. */
  #history = headerDictionary();
  #length = this.#history.length;
  #first = true;

  /** The headers by lower-case name; several values of one name are joined by commas. Throws SpdyError. */
  read(block: Buffer): Map<string, string> {
    const compressed = this.#first ? withoutZlibHeader(block) : block;
    this.#first = false;
    const inflated = inflate(compressed, this.#window());
    this.#keep(inflated);
    return parse(inflated);
  }

  #window(): Buffer {
    return this.#history.subarray(Math.max(0, this.#length - WINDOW_BYTES), this.#length);
  }

  #keep(inflated: Buffer): void {
    if (this.#length + inflated.length > this.#history.length) {
      const window = this.#window();
      // The first history is exactly as long as the dictionary.
      if (this.#history.length < HISTORY_BYTES) this.#history = Buffer.allocUnsafeSlow(HISTORY_BYTES);
      this.#length = window.copy(this.#history);
    }
    this.#length += inflated.copy(this.#history, this.#length);
  }
}

function withoutZlibHeader(block: Buffer): Buffer {
  if (
    block.length < ZLIB_HEADER_BYTES ||
    (block.readUInt8(0) & 0x0f) !== 8 ||
    block.readUInt16BE(0) % 31 !== 0
  ) {
    throw new SpdyError('a header block that is no zlib stream');
  }
  const hasDictionary = (block.readUInt8(1) & 0x20) !== 0;
  return block.subarray(hasDictionary ? ZLIB_HEADER_BYTES : 2);
}

function inflate(block: Buffer, dictionary: Buffer): Buffer {
  try {
    const options = { dictionary, finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_INFLATED_BYTES };
    return inflateRawSync(block, options);
  } catch (error) {
    throw new SpdyError('a header block that cannot be inflated', { cause: error });
  }
}

/** A count, and so many pairs of name and value, each behind its length; all numbers have four bytes. */
function parse(block: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError('a header block that ends too early');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > block.length) throw new SpdyError('a header block that ends too early');
    at += length;
    return block.toString('latin1', at - length, at);
  };
  const count = number();
  if (count > MAX_HEADERS) throw new SpdyError(`a header block of ${count} headers`);
  for (let left = count; left > 0; left -= 1) {
    const name = text().toLowerCase();
    const value = text().replaceAll('\0', ',');
    headers.set(name, value);
  }
  return headers;
}

/**
 * The header block without headers, the only one that is ever sent: a stored deflate block with a count of zero, and an
 * empty one, as Go's reader gives out nothing before a flush. The zlib stream's own header precedes the first.
 */
export function emptyHeaderBlock(first: boolean): Buffer {
  return Buffer.from(`${first ? '7801' : ''}000400fbff00000000000000ffff`, 'hex');
}
