import { invalidArgument } from '../../util/cri-error.js';
import type { PodNetworkPlan } from '../network.js';
import type { JsonObject } from './json-object.js';
import type { NetworkConfig } from './network-config.js';
import { parseQuantity } from './quantity.js';

/** The bounds that Kubernetes sets for a pod's bandwidth, in bits per second. */
const MIN_RATE = 1_000n;
const MAX_RATE = 1_000_000_000_000_000n;
/** Burst in bits that means no limit: the largest that the bandwidth plugin's kernel interface takes. */
const NO_BURST_LIMIT = 2 ** 31 - 1;

/**
 * The capability arguments of a pod, by the names of CNI's CONVENTIONS.md and containerd. Those that say nothing
 * are left out.
 *
 * @param podCidr the node's pod CIDRs, separated by commas, or ''
 */
export function capabilityArgs(plan: PodNetworkPlan, podCidr: string): JsonObject {
  const args: JsonObject = {};
  const portMappings = plan.portMappings
    .filter(({ hostPort }) => hostPort > 0)
    .map(({ hostPort, containerPort, protocol, hostIp }) => ({
      hostPort,
      containerPort,
      protocol,
      hostIP: hostIp,
    }));
  if (portMappings.length > 0) args['portMappings'] = portMappings;
  const subnets = podCidr.split(',').map((cidr) => cidr.trim());
  const ipRanges = subnets.filter((subnet) => subnet !== '').map((subnet) => [{ subnet }]);
  if (ipRanges.length > 0) args['ipRanges'] = ipRanges;
  if (plan.dns !== undefined) args['dns'] = plan.dns;
  if (plan.cgroupParent !== '') args['cgroupPath'] = plan.cgroupParent;
  if (Object.keys(plan.annotations).length > 0) {
    args['io.kubernetes.cri.pod-annotations'] = plan.annotations;
  }
  return args;
}

/**
 * The `bandwidth` capability from the annotations `kubernetes.io/ingress-bandwidth` and `egress-bandwidth`: rates
 * in bits per second. Empty without them; INVALID_ARGUMENT when one is malformed or beyond Kubernetes's bounds.
 */
export function bandwidthArgs(annotations: Record<string, string>): JsonObject {
  const ingressRate = readRate(annotations, 'kubernetes.io/ingress-bandwidth');
  const egressRate = readRate(annotations, 'kubernetes.io/egress-bandwidth');
  if (ingressRate === undefined && egressRate === undefined) return {};
  return {
    bandwidth: {
      ...(ingressRate !== undefined && { ingressRate, ingressBurst: NO_BURST_LIMIT }),
      ...(egressRate !== undefined && { egressRate, egressBurst: NO_BURST_LIMIT }),
    },
  };
}

/** Only the arguments that some plugin of the network declares. */
export function declaredArgs(network: NetworkConfig, args: JsonObject): JsonObject {
  const declared = new Set(network.plugins.flatMap(({ capabilities }) => capabilities));
  return Object.fromEntries(Object.entries(args).filter(([capability]) => declared.has(capability)));
}

function readRate(annotations: Record<string, string>, key: string): number | undefined {
  const text = annotations[key];
  if (text === undefined) return undefined;
  const field = `config.annotations["${key}"]`;
  const rate = parseQuantity(text);
  if (rate === undefined) throw invalidArgument(field, `"${text}" is not a quantity such as 10M`);
  if (rate < MIN_RATE || rate > MAX_RATE)
    throw invalidArgument(field, 'must be from 1k to 1P bits per second');
  return Number(rate);
}
