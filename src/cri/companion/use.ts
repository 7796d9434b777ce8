import { isPlainRunc } from '../../companion/examine.js';
import type { CompanionUse } from '../../convert/companion/asked-adjustments.js';
import { readRuncFeatures } from '../../convert/companion/runc-features.js';
import type { EngineInfo } from '../../docker/types.js';
import type { CriDeps } from '../deps.js';

/** What there is of the companion runtime for pods of a runtime handler: it stands in front of runc alone. */
export async function companionUse(
  deps: Pick<CriDeps, 'companion'>,
  info: EngineInfo,
  handler: string,
): Promise<CompanionUse> {
  if (isPlainRunc(info, handler)) return deps.companion.abilities(info);
  const missing = `the runtime of this pod is not runc (${handler || info.DefaultRuntime})`;
  return { runtime: undefined, userNamespaces: false, features: readRuncFeatures(''), missing };
}
