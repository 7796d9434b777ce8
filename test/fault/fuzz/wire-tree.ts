import protobuf from 'protobufjs';

/** A message as fields on the wire, which can be changed in ways that no encoder would allow. */
export interface WireMessage {
  /** What the proto file says of it; undefined for entries of maps and for what is not in the proto file. */
  readonly type: protobuf.Type | undefined;
  readonly fields: WireField[];
}

export interface WireField {
  number: number;
  /** 0 varint, 1 eight bytes, 2 length and bytes, 3 and 4 the ends of a group, 5 four bytes; 6 and 7 do not exist. */
  wireType: number;
  /** A varint, bytes that are written as they are, or a message inside. */
  value: bigint | Buffer | WireMessage;
  /** A length that is written instead of the true one. */
  claimedLength?: number;
}

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;

/** Takes a valid message apart, down to its last field. */
export function readTree(bytes: Uint8Array, type: protobuf.Type | undefined): WireMessage {
  const reader = protobuf.Reader.create(bytes);
  const fields: WireField[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const number = tag >>> 3;
    const wireType = tag & 7;
    if (wireType === VARINT) fields.push({ number, wireType, value: readVarint(reader) });
    else if (wireType === LENGTH_DELIMITED)
      fields.push({ number, wireType, value: inner(reader.bytes(), type, number) });
    else throw new Error(`no field of the CRI has wire type ${wireType}`);
  }
  return { type, fields };
}

/** All 64 bits, which protobufjs gives as a number or an object, depending on what is installed. */
function readVarint(reader: protobuf.Reader): bigint {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = reader.buf[reader.pos++] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

function inner(bytes: Uint8Array, type: protobuf.Type | undefined, number: number): Buffer | WireMessage {
  const field = type?.fieldsById[number]?.resolve();
  if (field instanceof protobuf.MapField) return readTree(bytes, undefined);
  if (field?.resolvedType instanceof protobuf.Type) return readTree(bytes, field.resolvedType);
  return Buffer.from(bytes);
}

export function writeTree({ fields }: WireMessage): Buffer {
  return Buffer.concat(fields.flatMap((field) => writeField(field)));
}

function writeField({ number, wireType, value, claimedLength }: WireField): Buffer[] {
  const tag = varint((BigInt(number) << 3n) | BigInt(wireType));
  if (typeof value === 'bigint') return [tag, varint(value)];
  const bytes = Buffer.isBuffer(value) ? value : writeTree(value);
  if (wireType !== LENGTH_DELIMITED) return [tag, bytes];
  return [tag, varint(BigInt(claimedLength ?? bytes.length)), bytes];
}

/** As protobuf writes numbers: negative ones take all ten bytes. */
export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

/** All messages inside one, itself first. */
export function messagesOf(root: WireMessage): WireMessage[] {
  const inside = root.fields.flatMap(({ value }) =>
    typeof value === 'bigint' || Buffer.isBuffer(value) ? [] : messagesOf(value),
  );
  return [root, ...inside];
}

/** A copy that shares nothing with the field, so that no change can put it inside itself. */
export function copyOf(field: WireField): WireField {
  const { value } = field;
  if (typeof value === 'bigint' || Buffer.isBuffer(value)) return { ...field };
  return { ...field, value: { type: value.type, fields: value.fields.map((inside) => copyOf(inside)) } };
}
