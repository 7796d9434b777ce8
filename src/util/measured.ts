import { Code, CriError } from './cri-error.js';

/** Told how long something took, and the code it failed with; undefined for success. */
export type OnMeasured = (durationMs: number, code: Code | undefined) => void;

/** Runs `work` and tells `onEnd` how it went. Answers and throws as `work` does. */
export async function measured<T>(work: () => Promise<T>, onEnd: OnMeasured): Promise<T> {
  const startMs = performance.now();
  let code: Code | undefined;
  try {
    return await work();
  } catch (error) {
    code = error instanceof CriError ? error.code : Code.INTERNAL;
    throw error;
  } finally {
    onEnd(performance.now() - startMs, code);
  }
}
