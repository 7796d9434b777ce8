import type { Field, Type } from 'protobufjs';

/** Far more than any request of the kubelet has. Each costs hundreds of bytes, and microseconds, when it is decoded. */
const MAX_FIELDS = 100_000;

/** Protobuf's wire types: how the value of a field is framed. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/**
 * Throws an Error for bytes that protobufjs would decode without complaint, but must not: a text that claims to be longer
 * than its message (it would be cut: `0a 05 61` would be an id `a`), and so many fields that decoding them would hold
 * up all other calls: 16 MiB of empty list items take a minute and gigabytes.
 */
export function checkFields(bytes: Uint8Array, type: Type): void {
  let at = 0;
  let fields = 0;
  const count = (more: number): void => {
    fields += more;
    if (fields > MAX_FIELDS) throw new Error(`it has more than ${MAX_FIELDS} fields`);
  };
  const readVarint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('it ends within a number');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  const check = (end: number, message: Type | undefined): void => {
    while (at < end) {
      count(1);
      const tag = readVarint();
      const wireType = tag % 8;
      if (wireType === VARINT) readVarint();
      else if (wireType === FIXED64) at += 8;
      else if (wireType === FIXED32) at += 4;
      else if (wireType === LENGTH_DELIMITED) {
        const length = readVarint(); // moves `at` itself
        const next = at + length;
        if (next > end) throw new Error('it ends within a field');
        const field = message?.fieldsById[Math.floor(tag / 8)];
        const inner = messageIn(field);
        if (inner !== undefined) check(next, inner);
        else if (isPacked(field)) count(length); // as many numbers at the most
        at = next;
      } else throw new Error(`wire type ${wireType} at byte ${at}`);
      if (at > end) throw new Error('it ends within a field');
    }
  };
  check(bytes.length, type);
}

/** The type of the messages in this field; undefined for all others, entries of maps among them: they make no objects. */
function messageIn(field: Field | undefined): Type | undefined {
  const type = field?.map === true ? null : field?.resolvedType;
  return type !== null && type !== undefined && 'fieldsById' in type ? type : undefined;
}

function isPacked(field: Field | undefined): boolean {
  return field?.repeated === true && field.type !== 'string' && field.type !== 'bytes';
}
