import { examineCompanion } from '../companion/examine.js';
import type { EngineInfo } from '../docker/types.js';
import { ownHelper } from '../util/own-program.js';
import { ok, type Finding } from './finding.js';

/**
 * Whether pods can have user namespaces, and what is missing where they cannot: nodes do without them. `companion` is where the
 * companion runtime is.
 */
export async function checkCompanion(
  info: EngineInfo,
  supports: (apiVersion: string) => boolean,
  companion = ownHelper('oci/runc'),
): Promise<Finding> {
  const { runtime, userNamespaces, missing } = await examineCompanion(info, { companion, supports });
  if (userNamespaces) return ok('companion', `pods can have user namespaces, by the runtime ${runtime}`);
  const others = runtime === undefined ? '' : '; ambient capabilities and mount options can be had';
  return ok('companion', `pods with user namespaces are refused: ${missing}${others}`);
}
