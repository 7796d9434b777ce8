import { CgroupDriver } from '../../gen/runtime/v1/CgroupDriver.js';
import type { RuntimeConfigResponse } from '../../gen/runtime/v1/RuntimeConfigResponse.js';
import type { UpdateRuntimeConfigRequest__Output } from '../../gen/runtime/v1/UpdateRuntimeConfigRequest.js';
import type { UpdateRuntimeConfigResponse } from '../../gen/runtime/v1/UpdateRuntimeConfigResponse.js';
import { checkPodCidr } from '../../convert/sandbox/pod-cidr.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';

/** The cgroup driver, which the kubelet must share (CRI: RuntimeConfig). */
export async function runtimeConfig(
  deps: Pick<CriDeps, 'mirror'>,
  ctx: CallContext,
): Promise<RuntimeConfigResponse> {
  const { info } = await deps.mirror.currentFacts(ctx.signal);
  switch (info.CgroupDriver) {
    case 'systemd':
      return { linux: { cgroup_driver: CgroupDriver.SYSTEMD } };
    case 'cgroupfs':
      return { linux: { cgroup_driver: CgroupDriver.CGROUPFS } };
    case 'none':
      throw new CriError(
        Code.FAILED_PRECONDITION,
        'the Docker Engine has no cgroup driver (rootless without delegation)',
      );
  }
}

/** Takes the node's pod CIDR for the network (CRI: UpdateRuntimeConfig). An empty one changes nothing. */
export function updateRuntimeConfig(
  deps: Pick<CriDeps, 'network'>,
  request: UpdateRuntimeConfigRequest__Output,
): Promise<UpdateRuntimeConfigResponse> {
  const podCidr = request.runtime_config?.network_config?.pod_cidr ?? '';
  if (podCidr !== '') {
    checkPodCidr('runtime_config.network_config.pod_cidr', podCidr);
    deps.network.setPodCidr(podCidr);
  }
  return Promise.resolve({});
}
