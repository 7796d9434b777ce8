/** The versions of the CNI specification that are spoken here, lowest first. */
const SPOKEN: readonly string[] = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

/** What a configuration without `cniVersion` means. */
const UNDECLARED = '0.1.0';

/**
 * The highest version that a configuration offers and that is spoken here (CNI section 1, version considerations).
 *
 * @param cniVersion the configuration's `cniVersion`, undefined or '' when it has none
 * @param cniVersions the configuration's `cniVersions`
 * @throws Error when none of them is spoken here
 */
export function selectVersion(cniVersion: string | undefined, cniVersions: readonly string[]): string {
  const declared = cniVersion === undefined || cniVersion === '' ? [] : [cniVersion];
  const offered = [...cniVersions, ...declared];
  if (offered.length === 0) return UNDECLARED;
  const selected = SPOKEN.findLast((version) => offered.includes(version));
  if (selected === undefined) {
    throw new Error(`no cniVersion of ${offered.join(', ')} is supported (${SPOKEN.join(', ')} are)`);
  }
  return selected;
}

/** True when `version` is `minimum` or later. Both must be spoken here. */
export function isAtLeast(version: string, minimum: '0.4.0' | '1.1.0'): boolean {
  return SPOKEN.indexOf(version) >= SPOKEN.indexOf(minimum);
}

/**
 * The three shapes that an ADD result has had: `ip4` and `ip6` members (`pair`), a list of addresses that each name
 * their IP version (`tagged`), the same list without it (`plain`). Undefined for a version that is not spoken here.
 */
export function resultShape(version: string): 'pair' | 'tagged' | 'plain' | undefined {
  if (!SPOKEN.includes(version)) return undefined;
  if (version.startsWith('1.')) return 'plain';
  return version === '0.1.0' || version === '0.2.0' ? 'pair' : 'tagged';
}
