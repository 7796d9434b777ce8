import { nriResources } from '../../convert/nri/resources.js';
import { sliceFolder } from '../../convert/nri/cgroup-paths.js';
import type { LinuxResources } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';
import type { PodSandbox } from '../../gen/nri/pkg/api/v1alpha1/PodSandbox.js';
import { podResourcesOf } from '../../state/pod-resources.js';
import { isHostNetwork, type SandboxRecord } from '../../state/records.js';
import { criResources } from '../../convert/limits/resources.js';
import { NO_NODE_LIMITS } from '../../convert/limits/node-limits.js';
import { cgroupsPath } from '../../convert/nri/cgroup-paths.js';
import type { CriDeps } from '../deps.js';

/** What it takes to describe pods to plugins. */
export type DescribePodDeps = Pick<CriDeps, 'mirror' | 'podResources'>;

/** A pod as plugins see it. */
export function describePod(deps: DescribePodDeps, sandbox: SandboxRecord): PodSandbox {
  const { identity, labels, facts, inspect } = sandbox;
  const driver = deps.mirror.facts?.info.CgroupDriver;
  const parent = inspect.HostConfig.CgroupParent ?? '';
  const { overhead, resources } = podResourcesOf(deps, sandbox);
  return {
    id: sandbox.id,
    name: identity.name,
    uid: identity.uid,
    namespace: identity.namespace,
    labels: labels.labels,
    annotations: labels.annotations,
    runtime_handler: facts.runtimeHandler,
    pid: sandbox.pid,
    ips: [...(sandbox.ips ?? [])],
    linux: {
      pod_overhead: toldResources(overhead),
      pod_resources: toldResources(resources),
      cgroup_parent: driver === 'systemd' ? sliceFolder(parent) : parent,
      cgroups_path: cgroupsPath(sandbox.id, parent, driver),
      namespaces: namespacesOf(sandbox),
      resources: nriResources(criResources(inspect.HostConfig, NO_NODE_LIMITS)),
    },
  };
}

/** A pod of which no more is known than its containers tell. */
export function describeLostPod(id: string): PodSandbox {
  return { id, linux: {} };
}

/** Those that a pod's containers can join; none of a pod that does not run. */
function namespacesOf(sandbox: SandboxRecord): { type: string; path: string }[] {
  const { pid, netnsPath } = sandbox;
  if (pid === 0) return [];
  const types: [type: string, file: string][] = [
    ['pid', 'pid'],
    ['ipc', 'ipc'],
    ['uts', 'uts'],
    ['mount', 'mnt'],
  ];
  const namespaces = types.map(([type, file]) => ({ type, path: `/proc/${pid}/ns/${file}` }));
  return isHostNetwork(sandbox) ? namespaces : [...namespaces, { type: 'network', path: netnsPath }];
}

/** What the kubelet told, in CRI's JSON. */
function toldResources(told: unknown): LinuxResources | null {
  return typeof told === 'object' && told !== null ? nriResources(told) : null;
}
