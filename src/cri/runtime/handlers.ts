import { handlerNames } from '../../convert/engine-info.js';
import { invalidArgument } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';

/** '' asks for the default runtime; any other must be one of the Engine's (CRI: unknown handlers are refused). */
export async function checkRuntimeHandler(
  deps: Pick<CriDeps, 'mirror'>,
  field: string,
  handler: string,
  signal: AbortSignal,
): Promise<void> {
  if (handler === '') return;
  const known = handlerNames((await deps.mirror.currentFacts(signal)).info);
  if (known.includes(handler)) return;
  throw invalidArgument(field, `"${handler}" is not a runtime of this Engine (${known.join(', ')})`);
}
