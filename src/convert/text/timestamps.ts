import { Code, CriError } from '../../util/cri-error.js';

const RFC3339 = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/**
 * Unix nanoseconds of one of Docker's times: RFC 3339 with up to nine fractional digits, trailing zeros cut.
 * 0n for '' and for Go's zero time in year 1, which Docker uses for "never". Throws INTERNAL for anything else.
 */
export function parseTimeNs(text: string): bigint {
  if (text === '' || text.startsWith('0001-')) return 0n;
  const [, seconds, fraction = '', zone] = RFC3339.exec(text) ?? [];
  const milliseconds = seconds && zone ? Date.parse(seconds + zone) : NaN;
  if (Number.isNaN(milliseconds))
    throw new CriError(Code.INTERNAL, `Docker sent a malformed time: "${text}"`);
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
