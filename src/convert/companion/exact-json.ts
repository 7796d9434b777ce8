/** Numbers of fewer characters are told exactly by a double. */
const EXACT_CHARS = 15;
/** Where a member or element that is a longer number begins, or what looks like it in a string. */
const MAYBE_LONG_NUMBER = new RegExp(`[:,[\\s]-?\\d[-+.eE\\d]{${EXACT_CHARS - 1}}`);

/** ECMAScript's own words for it, which TypeScript does not know yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => object };

/**
 * Decodes the JSON of an object or array for a change of some of its members: numbers that a double does not hold, such as the
 * largest of 64 bits, come out of `exactJsonText` as they went in. Throws a SyntaxError.
 */
export function readExactJson(text: string): unknown {
  return MAYBE_LONG_NUMBER.test(text) ? (JSON.parse(text, keepLongNumber) as unknown) : JSON.parse(text);
}

/** The text of a value whose parts may be those of `readExactJson`, and in which a bigint is a number. */
export function exactJsonText(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Few have bigints, and looking for them takes four times as long, while a container waits for it.
    return JSON.stringify(value, (_name, member: unknown) =>
      typeof member === 'bigint' ? rawJSON(String(member)) : member,
    );
  }
}

function keepLongNumber(_name: string, member: unknown, { source = '' }: { source?: string } = {}): unknown {
  return typeof member === 'number' && source.length > EXACT_CHARS ? rawJSON(source) : member;
}
