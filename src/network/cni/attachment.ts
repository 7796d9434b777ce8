import { invalidArgument } from '../../util/cri-error.js';
import type { PodDetachRequest, PodNetworkPlan } from '../network.js';
import { isJsonObject, type JsonObject } from './json-object.js';
import { isCniName } from './names.js';
import { parseSinglePlugin, type NetworkConfig } from './network-config.js';

/** The interface that a pod gets, by the kubelet's convention. */
export const POD_INTERFACE = 'eth0';

/** What plugins are told of one pod on one network (CNI section 3, attachment parameters). */
export interface Attachment {
  network: NetworkConfig;
  containerId: string;
  ifName: string;
  /** '' when the namespace is gone. */
  netnsPath: string;
  /** The pairs of CNI_ARGS. */
  cniArgs: [string, string][];
  /** By capability; each plugin is given those that it declares. */
  capabilityArgs: JsonObject;
  /** What ADD resulted in, in the network's version; undefined before it has ended. */
  result: JsonObject | undefined;
}

/**
 * A pod's attachment to a network, as it is before the pod has a namespace. Throws INVALID_ARGUMENT for names that plugins cannot be told.
 *
 * @param capabilityArgs the arguments that the network's plugins declare
 */
export function newAttachment(
  network: NetworkConfig,
  plan: PodNetworkPlan,
  capabilityArgs: JsonObject,
): Attachment {
  if (!isCniName(plan.sandboxId)) throw invalidArgument('pod_sandbox_id', 'not usable as a CNI container id');
  return {
    network,
    containerId: plan.sandboxId,
    ifName: POD_INTERFACE,
    netnsPath: '',
    cniArgs: podArgs(plan),
    capabilityArgs,
    result: undefined,
  };
}

/** The same attachment where another path leads to the namespace from now on, also in what plugins are given on CHECK and DEL. */
export function atPath(attachment: Attachment, netnsPath: string): Attachment {
  const { result } = attachment;
  const before = attachment.netnsPath;
  const interfaces: unknown[] = Array.isArray(result?.['interfaces']) ? result['interfaces'] : [];
  const moved = interfaces.map((entry) =>
    isJsonObject(entry) && entry['sandbox'] === before ? { ...entry, sandbox: netnsPath } : entry,
  );
  return {
    ...attachment,
    netnsPath,
    result: result && interfaces.length > 0 ? { ...result, interfaces: moved } : result,
  };
}

/** The same pod's attachment to its own loopback interface. Not recorded: it ends with the namespace. */
export function loopbackOf(attachment: Attachment): Attachment {
  const network = parseSinglePlugin('{"cniVersion":"0.3.1","name":"cni-loopback","type":"loopback"}');
  return { ...attachment, network, ifName: 'lo', capabilityArgs: {} };
}

/** What can be told of a sandbox of which only the id is left. */
export function goneSandbox(sandboxId: string): PodDetachRequest {
  const pod = { podName: '', podNamespace: '', podUid: '', cgroupParent: '', netnsPath: '' };
  return { ...pod, sandboxId, annotations: {}, portMappings: () => Promise.resolve([]) };
}

/** The CNI_ARGS that Kubernetes runtimes send. Refuses what would break out of their syntax. */
function podArgs({ sandboxId, podNamespace, podName, podUid }: PodNetworkPlan): [string, string][] {
  for (const [key, value] of Object.entries({ namespace: podNamespace, name: podName, uid: podUid })) {
    if (/[;=\0]/.test(value))
      throw invalidArgument(`config.metadata.${key}`, 'must hold neither ";" nor "="');
  }
  return [
    ['IgnoreUnknown', '1'],
    ['K8S_POD_NAMESPACE', podNamespace],
    ['K8S_POD_NAME', podName],
    ['K8S_POD_INFRA_CONTAINER_ID', sandboxId],
    ['K8S_POD_UID', podUid],
  ];
}
