import type { ContainerInspect } from '../docker/types.js';
import { readPodAddresses } from './addresses.js';
import type { PodNetwork, RecordedNetwork } from './network.js';

/**
 * The addresses of a running sandbox that has a network of its own, the primary first, or undefined while it is not
 * attached. On Docker's bridge the Engine tells them, under CNI the record of the attachment. Without a record (it may be
 * lost, or with cri-dockerd elsewhere) a sandbox counts as attached when its interface has addresses. One that was started again behind cridock's back has a new namespace, which nothing
 * was attached to.
 */
export async function podAddresses(
  network: PodNetwork,
  inspect: ContainerInspect,
): Promise<string[] | undefined> {
  if (inspect.HostConfig.NetworkMode !== 'none') return dockerAddresses(inspect);
  const ips = await cniAddresses(await network.recorded(inspect.Id), inspect);
  return ips.length > 0 ? ips : undefined;
}

async function cniAddresses(
  recorded: RecordedNetwork | undefined,
  inspect: ContainerInspect,
): Promise<string[]> {
  const { Pid: pid } = inspect.State;
  if (recorded === undefined) return readPodAddresses(pid);
  const { ips, netnsPath } = recorded;
  // Without a pid nothing can be looked at: the Engine could not be asked for it.
  if (ips.length === 0 || netnsPath === '' || pid === 0) return ips;
  if (netnsPath === inspect.NetworkSettings?.SandboxKey || netnsPath === `/proc/${pid}/ns/net`) return ips;
  // Another namespace than the one that was attached, or the same by another path: its addresses tell.
  const present = await readPodAddresses(pid);
  return ips.some((ip) => present.includes(ip)) ? ips : [];
}

/** API 1.52 has them only below `Networks`, older ones there too. */
function dockerAddresses(inspect: ContainerInspect): string[] {
  return Object.values(inspect.NetworkSettings?.Networks ?? {}).flatMap((endpoint) =>
    [endpoint.IPAddress, endpoint.GlobalIPv6Address].filter(
      (ip): ip is string => ip !== undefined && ip !== '',
    ),
  );
}
