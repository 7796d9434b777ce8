import type { ContainerInspect } from '../docker/types.js';
import { readPodAddresses } from './addresses.js';
import type { PodNetwork } from './network.js';

/**
 * The addresses of a running sandbox that has a network of its own, the primary first, or undefined while it is not
 * attached. On Docker's bridge the Engine tells them, under CNI the record of the attachment. Without a record (it may be
 * lost, or with cri-dockerd elsewhere) a sandbox counts as attached when its interface has addresses.
 */
export async function podAddresses(
  network: PodNetwork,
  inspect: ContainerInspect,
): Promise<string[] | undefined> {
  if (inspect.HostConfig.NetworkMode !== 'none') return dockerAddresses(inspect);
  const recorded = await network.recorded(inspect.Id);
  const ips = recorded?.ips ?? (await readPodAddresses(inspect.State.Pid));
  return ips.length > 0 ? ips : undefined;
}

/** API 1.52 has them only below `Networks`, older ones there too. */
function dockerAddresses(inspect: ContainerInspect): string[] {
  return Object.values(inspect.NetworkSettings?.Networks ?? {}).flatMap((endpoint) =>
    [endpoint.IPAddress, endpoint.GlobalIPv6Address].filter(
      (ip): ip is string => ip !== undefined && ip !== '',
    ),
  );
}
