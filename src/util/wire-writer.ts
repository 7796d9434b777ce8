const FIRST_CAPACITY = 4096;
const VARINT_MAX_BYTES = 10;
const DOUBLE_BYTES = 8;
/** Below this bit operations do, which are faster. */
const SMALL = 2 ** 31;

/** The tag byte of a field that holds a message, text or bytes. Field numbers up to 15. */
function messageTag(field: number): number {
  return field * 8 + 2;
}

/** The tag byte of a field that holds a whole number. */
function numberTag(field: number): number {
  return field * 8;
}

/** The tag byte of a field that holds a double. */
function doubleTag(field: number): number {
  return field * 8 + 1;
}

/** The number of the only field of a UInt64Value. */
const WRAPPED_NUMBER_FIELD = 1;

/**
 * Writes protobuf messages field by field. For replies that are made often and are large: the library that takes messages as
 * objects needs longer to encode statistics than the kernel to tell them. Field numbers are those of api.proto, up to
 * 15. Whole numbers are from 0 to 2^63 and, as always in JavaScript, rounded beyond 2^53.
 */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  #length = 0;

  /** A copy of what `write` writes. Calls must not be nested. */
  encode(write: () => void): Buffer {
    this.#length = 0;
    write();
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }

  /** Fields that are encoded already. */
  bytes(part: Uint8Array): void {
    this.#reserve(part.length);
    this.#buffer.set(part, this.#length);
    this.#length += part.length;
  }

  number(field: number, value: number): void {
    this.#tag(numberTag(field));
    this.#varint(value);
  }

  double(field: number, value: number): void {
    this.#tag(doubleTag(field));
    this.#reserve(DOUBLE_BYTES);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  text(field: number, text: string): void {
    const length = Buffer.byteLength(text);
    this.#tag(messageTag(field));
    this.#varint(length);
    this.#reserve(length);
    this.#length += this.#buffer.write(text, this.#length);
  }

  /** A field that holds a UInt64Value; none for undefined. */
  wrapped(field: number, value: number | undefined): void {
    if (value === undefined) return;
    const start = this.begin(field);
    this.number(WRAPPED_NUMBER_FIELD, value);
    this.end(start);
  }

  /** A field that holds a message that is encoded already. */
  encoded(field: number, message: Uint8Array): void {
    this.#tag(messageTag(field));
    this.#varint(message.length);
    this.bytes(message);
  }

  /** Begins a field that holds a message: its fields are what is written until `end` is called with the answer. */
  begin(field: number): number {
    this.#tag(messageTag(field));
    this.#length += 1; // for the length, which is mostly short
    return this.#length;
  }

  /** Ends the message that began there. */
  end(start: number): void {
    const length = this.#length - start;
    if (length < 128) {
      this.#buffer[start - 1] = length;
      return;
    }
    this.#reserve(VARINT_MAX_BYTES);
    const afterLength = start - 1 + varintLength(length);
    this.#buffer.copyWithin(afterLength, start, this.#length);
    this.#putVarint(length, start - 1);
    this.#length = afterLength + length;
  }

  #tag(tag: number): void {
    this.#reserve(2); // and the length of a message
    this.#buffer[this.#length++] = tag;
  }

  #varint(value: number): void {
    this.#reserve(VARINT_MAX_BYTES);
    this.#length = this.#putVarint(value, this.#length);
  }

  /** Answers where it ends. */
  #putVarint(value: number, from: number): number {
    let at = from;
    let rest = value;
    for (; rest >= SMALL; rest = Math.floor(rest / 128)) this.#buffer[at++] = (rest % 128) + 128;
    for (; rest >= 128; rest >>>= 7) this.#buffer[at++] = (rest & 127) | 128;
    this.#buffer[at++] = rest;
    return at;
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1;
  return length;
}

/** The inside of an encoded message whose only field is a message with a number below 16. */
export function insideOf(message: Buffer): Buffer {
  let at = 1;
  while ((message[at] ?? 0) >= 128) at += 1;
  return message.subarray(at + 1);
}
