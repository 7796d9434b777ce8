import { Code, CriError } from '../../util/cri-error.js';

/**
 * Whole pods are not checkpointed and restored yet (CRI: CheckpointPod, RestorePod, alpha in 1.37). Throws UNIMPLEMENTED
 * that says what can be had.
 */
export function refuseWholePods(): Promise<never> {
  const message =
    'whole pods are not checkpointed and restored here: CheckpointContainer takes one container after the other';
  return Promise.reject(new CriError(Code.UNIMPLEMENTED, message));
}
