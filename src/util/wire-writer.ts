const FIRST_CAPACITY = 1024;
const VARINT_MAX_BYTES = 10;

/** The tag byte of a field that holds a message, text or bytes. Field numbers up to 15. */
export function messageTag(field: number): number {
  return field * 8 + 2;
}

/** The tag byte of a field that holds a whole number. */
export function numberTag(field: number): number {
  return field * 8;
}

/** How many bytes a whole number from 0 to 2^53 takes as a varint. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1;
  return length;
}

/** Puts encoded parts of protobuf messages together, where most of the bytes are kept from call to call. */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  #length = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  varint(value: number): void {
    this.#reserve(VARINT_MAX_BYTES);
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#buffer[this.#length++] = (rest % 128) + 128;
    this.#buffer[this.#length++] = rest;
  }

  bytes(part: Uint8Array): void {
    this.#reserve(part.length);
    this.#buffer.set(part, this.#length);
    this.#length += part.length;
  }

  /** A field that holds a message, text or bytes. */
  field(field: number, content: Uint8Array): void {
    this.byte(messageTag(field));
    this.varint(content.length);
    this.bytes(content);
  }

  /** A copy of what was written; the writer is empty again and can be used for more. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** The inside of an encoded message whose only field is a message with a number below 16. */
export function insideOf(message: Buffer): Buffer {
  let at = 1;
  while ((message[at] ?? 0) >= 128) at += 1;
  return message.subarray(at + 1);
}
