import { requireInteger } from '../text/validate.js';

/**
 * The oom_score_adj to ask of the Engine: as wanted, or the lowest value that the host lets cridock's kind set
 * (as containerd's `restrict_oom_score_adj`).
 */
export function clampOomScoreAdj(wanted: number, lowestAllowed: number): number {
  return Math.max(wanted, lowestAllowed);
}

/** The `oom_score_adj` of a request, decoded as text; INVALID_ARGUMENT outside what the kernel takes. */
export function requireOomScoreAdj(field: string, text: string): number {
  return requireInteger(field, text, -1000, 1000);
}
