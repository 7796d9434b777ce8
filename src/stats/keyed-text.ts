const NEWLINE = 10;
const BLANK = 32;
const ZERO = 48;

/** The number after `key ` at the start of a line, as in memory.stat and cpu.stat; undefined when there is no such line. */
export function numberOf(text: string, key: string): number | undefined {
  for (let at = text.indexOf(key); at !== -1; at = text.indexOf(key, at + 1)) {
    const end = at + key.length;
    const isWholeKey = text.charCodeAt(end) === BLANK && (at === 0 || text.charCodeAt(at - 1) === NEWLINE);
    if (isWholeKey) return numberAt(text, end + 1);
  }
  return undefined;
}

/** The whole number that begins there. Digit by digit: cut out, each would be one more string to clear away. */
function numberAt(text: string, from: number): number {
  let value = 0;
  for (let at = from; ; at += 1) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return value;
    value = value * 10 + digit;
  }
}

/** From here on cgroup v1 means "no limit": it keeps them as the largest multiple of the page size in 63 bits. */
const UNLIMITED_V1 = 2 ** 62;

/** A file of one number, or of the word `max`; undefined for "no limit" and for no file. */
export function limitOf(text: string | undefined): number | undefined {
  if (text === undefined || text.startsWith('max')) return undefined;
  return belowUnlimited(Number(text));
}

export function belowUnlimited(limit: number | undefined): number | undefined {
  return limit === undefined || limit >= UNLIMITED_V1 ? undefined : limit;
}
