import { parseLabels } from '../convert/labels.js';
import { SPEC_HASH } from '../convert/spec-hash.js';
import type { ContainerInspect } from '../docker/types.js';
import { readPodAddresses } from './addresses.js';
import type { PodNetwork } from './network.js';

/**
 * The addresses of a running sandbox that has a network of its own, the primary first, or undefined while it is not
 * attached. On Docker's bridge the Engine tells them, under CNI the record of the attachment. A sandbox that cri-dockerd
 * made counts as attached also without a record (its cache may be elsewhere) when its interface has addresses.
 */
export async function podAddresses(
  network: PodNetwork,
  inspect: ContainerInspect,
): Promise<string[] | undefined> {
  if (inspect.HostConfig.NetworkMode !== 'none') return dockerAddresses(inspect);
  const recorded = await network.recorded(inspect.Id);
  if (recorded !== undefined) return recorded.ips;
  const isOurs = parseLabels(inspect.Config.Labels)?.own[SPEC_HASH] !== undefined;
  if (isOurs) return undefined;
  const found = await readPodAddresses(inspect.State.Pid);
  return found.length > 0 ? found : undefined;
}

/** API 1.52 has them only below `Networks`, older ones there too. */
function dockerAddresses(inspect: ContainerInspect): string[] {
  return Object.values(inspect.NetworkSettings?.Networks ?? {}).flatMap((endpoint) =>
    [endpoint.IPAddress, endpoint.GlobalIPv6Address].filter(
      (ip): ip is string => ip !== undefined && ip !== '',
    ),
  );
}
