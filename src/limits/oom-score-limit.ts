import { readFile, writeFile } from 'node:fs/promises';

const OWN_SCORE = '/proc/self/oom_score_adj';
const LOWEST_SCORE = -1000;

export type RestrictOomScoreAdj = 'auto' | boolean;

/**
 * The lowest oom_score_adj that may be asked of the Engine (as containerd's `restrict_oom_score_adj`): with true it is
 * cridock's own, with false the kernel's limit, with auto the kernel's limit unless the host refuses to let
 * cridock lower its own (user namespaces, some virtual machines).
 */
export async function lowestOomScoreAdj(restrict: RestrictOomScoreAdj): Promise<number> {
  if (restrict === false) return LOWEST_SCORE;
  const own = Number(await readFile(OWN_SCORE, 'utf8'));
  if (restrict === 'auto' && (await mayLower(own))) return LOWEST_SCORE;
  return own;
}

/** Tries it on cridock itself, for a moment: raising the value back is always allowed. */
async function mayLower(own: number): Promise<boolean> {
  if (own === LOWEST_SCORE) return true;
  try {
    await writeFile(OWN_SCORE, String(own - 1));
  } catch {
    return false;
  }
  await writeFile(OWN_SCORE, String(own));
  return true;
}
