import protobuf from 'protobufjs';
import { below, mutate, pick, type Random } from '../../support/hostile.js';
import {
  FIXED64,
  LENGTH_DELIMITED,
  VARINT,
  copyOf,
  messagesOf,
  readTree,
  writeTree,
  type WireField,
  type WireMessage,
} from './wire-tree.js';

/** What became of a valid request. */
export interface Mutated {
  readonly bytes: Buffer;
  /** How it was changed, such as `number` or `wire type`. */
  readonly kinds: readonly string[];
}

/** Texts that only this run knows, such as ids of its pods. */
export type Words = readonly [string, ...string[]];

const MAX_CHANGES = 3;
/**
 * What no mutated request is longer than: the test makes and holds it too, and HTTP/2 carries it in pieces of 64 KiB, each of
 * which waits for both processes to have their turn on a busy machine. Longer requests are a few, made on purpose.
 */
export const MAX_MUTATED_BYTES = 512 * 1024;
/** What a field inside a message costs the test, beside its bytes. */
const FIELD_COST_BYTES = 128;

/** Changes a valid request in one to three ways; now and then not at all. */
export function mutateRequest(random: Random, valid: Uint8Array, type: protobuf.Type, words: Words): Mutated {
  for (;;) {
    const mutated = mutateOnce(random, valid, type, words);
    if (mutated.bytes.length <= MAX_MUTATED_BYTES) return mutated;
  }
}

function mutateOnce(random: Random, valid: Uint8Array, type: protobuf.Type, words: Words): Mutated {
  const root = readTree(valid, type);
  const kinds: string[] = [];
  if (random() < 0.08) return { bytes: Buffer.from(valid), kinds: ['none'] };
  for (let changes = 1 + below(random, MAX_CHANGES); changes > 0; changes -= 1) {
    const [kind, change] = pick(random, CHANGES);
    const message = pick(random, messagesOf(root) as [WireMessage]);
    change(random, message, words, root);
    kinds.push(kind);
  }
  let bytes = writeTree(root);
  if (random() < 0.04) {
    bytes = random() < 0.5 ? bytes.subarray(0, below(random, bytes.length + 1)) : mutate(random, bytes);
    kinds.push('bytes');
  }
  return { bytes, kinds };
}

type Change = (random: Random, message: WireMessage, words: Words, root: WireMessage) => void;

const CHANGES: [readonly [string, Change], ...(readonly [string, Change])[]] = [
  ['drop', (random, { fields }) => void fields.splice(below(random, fields.length), 1)],
  ['duplicate', duplicate],
  ['swap', swap],
  ['move', move],
  ['number', changeNumber],
  ['number', changeNumber],
  ['text', changeText],
  ['text', changeText],
  ['text', changeText],
  ['invent', invent],
  ['invent', invent],
  ['invent', invent],
  ['map', manyEntries],
  ['unknown field', addUnknown],
  ['wire type', changeWireType],
  ['length', changeLength],
  ['depth', nest],
];

function duplicate(random: Random, { fields }: WireMessage): void {
  const field = fields[below(random, fields.length)];
  if (field === undefined) return;
  const times = atMost(pick(random, [1, 1, 2, 10, 300]), field);
  fields.push(...Array.from({ length: times }, () => copyOf(field)));
}

/** So many copies of the field as leave the request short enough, but one. */
function atMost(times: number, field: WireField): number {
  return Math.max(1, Math.min(times, Math.floor(MAX_MUTATED_BYTES / costOf(field))));
}

function costOf({ value }: WireField): number {
  if (typeof value === 'bigint') return FIELD_COST_BYTES;
  if (Buffer.isBuffer(value)) return FIELD_COST_BYTES + value.length;
  return value.fields.reduce((sum, field) => sum + costOf(field), FIELD_COST_BYTES);
}

/** Two fields of anywhere take each other's values. */
function swap(random: Random, message: WireMessage, _words: Words, root: WireMessage): void {
  const one = message.fields[below(random, message.fields.length)];
  const { fields } = pick(random, messagesOf(root) as [WireMessage]);
  const other = fields[below(random, fields.length)];
  if (one === undefined || other === undefined || contains(one, other) || contains(other, one)) return;
  const { value, wireType } = one;
  Object.assign(one, { value: other.value, wireType: other.wireType });
  Object.assign(other, { value, wireType });
}

/** A message must not come to stand inside itself. */
function contains({ value }: WireField, sought: WireField): boolean {
  if (typeof value === 'bigint' || Buffer.isBuffer(value)) return false;
  return messagesOf(value).some(({ fields }) => fields.includes(sought));
}

function move(random: Random, { fields }: WireMessage, _words: Words, root: WireMessage): void {
  const [field] = fields.splice(below(random, fields.length), 1);
  if (field !== undefined) pick(random, messagesOf(root) as [WireMessage]).fields.push(field);
}

const NUMBERS: readonly [bigint, ...bigint[]] = [
  0n, 1n, -1n, 2n, 127n, 128n, 255n, 256n, 1000n, 65_535n, 65_536n, -1000n, -1001n, 1_000_000n,
  2n ** 31n - 1n, 2n ** 31n, -(2n ** 31n), 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n,
  2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n,
]; // prettier-ignore

function changeNumber(random: Random, message: WireMessage): void {
  const numbers = message.fields.filter(({ wireType }) => wireType === VARINT);
  const field = numbers[below(random, numbers.length)];
  if (field !== undefined) field.value = pick(random, NUMBERS);
}

function changeText(random: Random, message: WireMessage, words: Words): void {
  const texts = message.fields.filter(({ value }) => Buffer.isBuffer(value));
  const field = texts[below(random, texts.length)];
  if (field === undefined || !Buffer.isBuffer(field.value)) return;
  const before = field.value;
  if (before.length > 1 && random() < 0.3) {
    field.value = random() < 0.5 ? before.subarray(0, below(random, before.length)) : mutate(random, before);
  } else field.value = oddText(random, words);
}

const ODD_TEXTS: readonly [string, ...string[]] = [
  '', ' ', '.', '..', '-', '--help', '-rf', '$(id)', '`id`', ';id', '|id', '%s%n%x', '\n', 'a\nb', '\r\n\r\n', '\t', '\u0000',
  'a\u0000b', '\u202e\u2066', '\ufeff', '\uFFFD', 'é'.repeat(200), '💥', '__proto__', 'constructor', 'toString', 'hasOwnProperty',
  'NaN', 'Infinity', '-Infinity', '1e309', '-0', '0x10', '9'.repeat(400), 'null', 'undefined', 'true', '{}', '[]', '{"a":', '"',
  '../../../../etc/passwd', './..', '..%2f..', '//', '\\..\\..', 'localhost/../../x', 'localhost//dev/zero', 'unconfined',
  'runtime/default', 'container:x', 'sha256:', `sha256:${'a'.repeat(64)}`, 'sha256:zz', 'a'.repeat(64), 'a'.repeat(1025), 'k8s_POD_x',
  '@', ':', 'a:', ':a', 'a@b', 'A/B', 'a//b', '0-', '0-1000000', '0-3,', '-1', '1-0', '4294967295', 'memory.max', '../memory.max',
  'a='.repeat(50), '=', '=a', 'host', 'none', 'default',
]; // prettier-ignore

/** What is no UTF-8, by the first rule that each breaks. */
const NO_UTF8: readonly [string, ...string[]] = [
  'ff',
  'fe',
  'c080',
  'eda080',
  'f4908080',
  '80',
  'e282',
  '61ff62',
];

function oddText(random: Random, words: Words): Buffer {
  const roll = random();
  if (roll < 0.06) return Buffer.from(pick(random, NO_UTF8), 'hex');
  if (roll < 0.1)
    return Buffer.alloc(pick(random, [1024, 4096, 70_000]), pick(random, ['a', '/', '\0', 'é']));
  if (roll < 0.101) return Buffer.alloc(1024 * 1024, 'x');
  return Buffer.from(roll < 0.4 ? pick(random, words) : pick(random, ODD_TEXTS));
}

/** Adds a field that the message may have, with some value of its type. */
function invent(random: Random, message: WireMessage, words: Words): void {
  const known = message.type?.fieldsArray ?? [];
  const field = known[below(random, known.length)]?.resolve();
  if (field !== undefined) message.fields.push(invented(random, field, words, 0));
}

const MAX_INVENTED_DEPTH = 4;

function invented(random: Random, field: protobuf.Field, words: Words, depth: number): WireField {
  const number = field.id;
  if (field instanceof protobuf.MapField) return mapEntry(random, number, words);
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) {
    const fields = resolvedType.fieldsArray
      .filter(() => depth < MAX_INVENTED_DEPTH && random() < 0.4)
      .map((inside) => invented(random, inside.resolve(), words, depth + 1));
    return { number, wireType: LENGTH_DELIMITED, value: { type: resolvedType, fields } };
  }
  if (resolvedType instanceof protobuf.Enum) {
    const known = Object.values(resolvedType.values);
    const value = random() < 0.7 ? BigInt(known[below(random, known.length)] ?? 0) : pick(random, NUMBERS);
    return { number, wireType: VARINT, value };
  }
  if (field.type === 'string' || field.type === 'bytes')
    return { number, wireType: LENGTH_DELIMITED, value: oddText(random, words) };
  if (field.type === 'bool') return { number, wireType: VARINT, value: random() < 0.9 ? 1n : 2n ** 64n - 1n };
  return { number, wireType: VARINT, value: pick(random, NUMBERS) };
}

function mapEntry(random: Random, number: number, words: Words): WireField {
  const fields = [1, 2]
    .filter(() => random() < 0.95)
    .map((part) => ({ number: part, wireType: LENGTH_DELIMITED, value: oddText(random, words) }));
  return { number, wireType: LENGTH_DELIMITED, value: { type: undefined, fields } };
}

/** Gives a message's map many entries, whose keys are odd or all the same. */
function manyEntries(random: Random, message: WireMessage, words: Words): void {
  const maps = (message.type?.fieldsArray ?? []).filter((field) => field.map);
  const field = maps[below(random, maps.length)];
  if (field === undefined) return;
  const same = mapEntry(random, field.id, words);
  const isSame = random() < 0.3;
  const count = pick(random, [1, 3, 30, 400]);
  for (let left = isSame ? atMost(count, same) : count; left > 0; left -= 1)
    message.fields.push(isSame ? copyOf(same) : mapEntry(random, field.id, words));
}

function addUnknown(random: Random, { fields }: WireMessage, words: Words): void {
  const number = pick(random, [0, 15, 16, 99, 2047, 19_000, 536_870_911, 536_870_912]);
  fields.push(
    random() < 0.5
      ? { number, wireType: VARINT, value: pick(random, NUMBERS) }
      : { number, wireType: LENGTH_DELIMITED, value: oddText(random, words) },
  );
}

function changeWireType(random: Random, { fields }: WireMessage): void {
  const field = fields[below(random, fields.length)];
  if (field === undefined) return;
  field.wireType = pick(random, [VARINT, FIXED64, LENGTH_DELIMITED, 3, 4, 5, 6, 7]);
  if (field.wireType === FIXED64) field.value = Buffer.alloc(8, 0xff);
  if (field.wireType === LENGTH_DELIMITED && typeof field.value === 'bigint')
    field.value = Buffer.alloc(3, 1);
}

function changeLength(random: Random, { fields }: WireMessage): void {
  const field = fields[below(random, fields.length)];
  if (field !== undefined)
    field.claimedLength = pick(random, [0, 1, 5, 127, 128, 65_536, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 40]);
}

/** Wraps a field in itself, again and again. */
function nest(random: Random, { fields }: WireMessage): void {
  const index = below(random, fields.length);
  const innermost = fields[index];
  if (innermost === undefined) return;
  const { number } = innermost;
  let wrapped = innermost;
  if (random() < 0.2) {
    const depth = pick(random, [90, 2_000]);
    const groups = Array.from({ length: depth }, (): WireField => ({
      number,
      wireType: 3,
      value: Buffer.alloc(0),
    }));
    fields.splice(index, 0, ...groups);
    return;
  }
  for (let depth = pick(random, [2, 20, 120]); depth > 0; depth -= 1)
    wrapped = { number, wireType: LENGTH_DELIMITED, value: { type: undefined, fields: [wrapped] } };
  fields[index] = wrapped;
}
