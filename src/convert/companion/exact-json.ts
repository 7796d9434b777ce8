import { randomBytes } from 'node:crypto';

const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** Numbers of fewer characters are told exactly by a double. */
const EXACT_CHARS = 15;
/** Whatever a longer number may look like, and more. */
const MAYBE_LONG_NUMBER = new RegExp(`[-+.eE\\d]{${EXACT_CHARS + 1}}`);

/** A decoded JSON text that may be changed and written again. */
export interface ExactJson {
  readonly value: unknown;
  /** The text of `changed`, a value made of this one's parts, in which a bigint is a number. */
  write(changed: unknown): string;
}

/**
 * Decodes JSON for a change of some of its members: numbers that a double does not hold, such as the largest of 64 bits,
 * come out as they went in. Throws a SyntaxError.
 */
export function readExactJson(text: string): ExactJson {
  const mark = `number ${randomBytes(12).toString('hex')} `;
  const withBigInts = (_name: string, member: unknown): unknown =>
    typeof member === 'bigint' ? `${mark}${member}` : member;
  const marked = (): string =>
    text.replace(STRING_OR_NUMBER, (token) =>
      token.startsWith('"') || token.length <= EXACT_CHARS ? token : `"${mark}${token}"`,
    );
  return {
    value: JSON.parse(MAYBE_LONG_NUMBER.test(text) ? marked() : text),
    write: (changed) =>
      JSON.stringify(changed, withBigInts).replace(new RegExp(`"${mark}([^"]+)"`, 'g'), '$1'),
  };
}
