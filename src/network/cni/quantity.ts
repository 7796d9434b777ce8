/** The factors that a Kubernetes quantity's suffix stands for, as [base, exponent]. */
const SUFFIXES: ReadonlyMap<string, readonly [bigint, number]> = new Map([
  ['n', [10n, -9]],
  ['u', [10n, -6]],
  ['m', [10n, -3]],
  ['', [10n, 0]],
  ['k', [10n, 3]],
  ['M', [10n, 6]],
  ['G', [10n, 9]],
  ['T', [10n, 12]],
  ['P', [10n, 15]],
  ['E', [10n, 18]],
  ['Ki', [2n, 10]],
  ['Mi', [2n, 20]],
  ['Gi', [2n, 30]],
  ['Ti', [2n, 40]],
  ['Pi', [2n, 50]],
  ['Ei', [2n, 60]],
]);

/**
 * The value of a Kubernetes quantity such as `10M`, `1.5Gi` or `2e6`, rounded up to a whole number as the
 * `Value()` of apimachinery's `resource.Quantity` does. Undefined when the text is not a quantity.
 */
export function parseQuantity(text: string): bigint | undefined {
  const match = /^([+-]?)(\d{0,30})(?:\.(\d{0,30}))?(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const [base, power] = exponent === undefined ? (SUFFIXES.get(suffix) ?? [10n, 0]) : [10n, Number(exponent)];
  const digits = BigInt(whole + fraction);
  const above = digits * base ** BigInt(Math.max(power, 0));
  const below = base ** BigInt(Math.max(-power, 0)) * 10n ** BigInt(fraction.length);
  return sign === '-' ? -(above / below) : (above + below - 1n) / below;
}
