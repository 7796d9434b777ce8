import type { VersionResponse } from '../../gen/runtime/v1/VersionResponse.js';
import type { CriDeps } from '../deps.js';

/** The version of the kubelet's runtime API that all runtimes answer. */
const KUBELET_API_VERSION = '0.1.0';
/** The scheme of container ids in the Kubernetes API (`docker://...`): never changes. */
const RUNTIME_NAME = 'docker';
/** Shown until the Engine was reached for the first time: the kubelet refuses empty versions. */
const UNKNOWN_ENGINE_VERSION = '0.0.0';

/**
 * Names and versions (CRI: Version). Answers from what is known, also while the Engine is away: the kubelet's first call
 * must succeed or it does not start.
 */
export function version(deps: Pick<CriDeps, 'mirror'>): Promise<VersionResponse> {
  return Promise.resolve({
    version: KUBELET_API_VERSION,
    runtime_name: RUNTIME_NAME,
    runtime_version: plainVersion(deps.mirror.facts?.negotiated.version.Version ?? UNKNOWN_ENGINE_VERSION),
    runtime_api_version: 'v1',
  });
}

/** Without a distribution's suffix, as `20.10.24+dfsg1`: clients parse it as a semantic version. */
function plainVersion(engineVersion: string): string {
  return /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?/.exec(engineVersion)?.[0] ?? UNKNOWN_ENGINE_VERSION;
}
