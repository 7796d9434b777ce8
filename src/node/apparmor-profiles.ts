import { readFile } from 'node:fs/promises';

/** The profiles that the kernel has loaded, one a line: `name (mode)`. Only root may read it. */
const LOADED_PROFILES = '/sys/kernel/security/apparmor/profiles';

/** Says whether the profile is loaded; undefined where the kernel does not tell (no AppArmor, no access). */
export async function isProfileLoaded(name: string, path = LOADED_PROFILES): Promise<boolean | undefined> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n');
    return lines.some((line) => line.replace(/ \(\w+\)$/, '') === name);
  } catch {
    return undefined;
  }
}
