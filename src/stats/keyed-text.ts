/** The number after `key ` at the start of a line, as in memory.stat and cpu.stat; undefined when there is no such line. */
export function numberOf(text: string, key: string): number | undefined {
  const inner = text.indexOf(`\n${key} `);
  if (inner === -1 && !text.startsWith(`${key} `)) return undefined;
  const from = inner + 1 + key.length + 1;
  const end = text.indexOf('\n', from);
  return Number(end === -1 ? text.slice(from) : text.slice(from, end));
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
