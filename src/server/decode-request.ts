import { isAscii } from 'node:buffer';
import { Code, CriError, invalidArgument, messageOf } from '../util/cri-error.js';

const REPLACEMENT = '\uFFFD';
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);

/**
 * Decodes the request of an RPC. Throws INVALID_ARGUMENT for malformed protobuf, and for a string that is not
 * UTF-8: proto3 demands UTF-8, but protobufjs replaces bad bytes by U+FFFD without a word.
 */
export function decodeRequest(rpc: string, bytes: Buffer, decode: (bytes: Buffer) => object): object {
  let request: object;
  try {
    request = decode(bytes);
  } catch (error) {
    throw new CriError(Code.INVALID_ARGUMENT, `${rpc} request: malformed protobuf: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (!isAscii(bytes)) checkUtf8(request, bytes);
  return request;
}

/**
 * A U+FFFD that the client itself sent is there as EF BF BD in the raw bytes too; when more were decoded than
 * were sent, the others stand for bytes that are not UTF-8.
 */
function checkUtf8(request: object, bytes: Buffer): void {
  const suspects: Suspect[] = [];
  collectSuspects(request, '', suspects);
  const decoded = suspects.reduce((sum, { text }) => sum + text.split(REPLACEMENT).length - 1, 0);
  if (decoded === 0 || decoded <= countReplacements(bytes)) return;
  const culprit = suspects.find(({ text }) => !bytes.includes(text)) ?? suspects[0];
  throw invalidArgument(culprit?.path ?? 'request', 'not valid UTF-8');
}

/** A decoded string that holds U+FFFD. */
interface Suspect {
  /** The field, as `config.labels["app"]` or `filter.id`. */
  readonly path: string;
  readonly text: string;
}

function collectSuspects(value: unknown, path: string, into: Suspect[]): void {
  if (typeof value === 'string') {
    if (value.includes(REPLACEMENT)) into.push({ path, text: value });
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => collectSuspects(item, `${path}[${index}]`, into));
  } else if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (key.includes(REPLACEMENT)) into.push({ path: `a key of ${path}`, text: key });
      collectSuspects(item, childPath(path, key), into);
    }
  }
}

/** Field names are identifiers; anything else is the key of a map. */
function childPath(path: string, key: string): string {
  if (path === '') return key;
  return /^[a-z_][a-z0-9_]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

function countReplacements(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(REPLACEMENT_BYTES); at !== -1; at = bytes.indexOf(REPLACEMENT_BYTES, at + 3)) {
    count += 1;
  }
  return count;
}
