import { field, mapEntry } from '../../../support/wire.js';
import { SECRET } from './image-rows.js';

/** The RPCs that are served, by service. All others of CRI v1 are UNIMPLEMENTED. */
export const servedRpcs = {
  RuntimeService: [
    'Version',
    'Status',
    'RuntimeConfig',
    'UpdateRuntimeConfig',
    'RunPodSandbox',
    'StopPodSandbox',
    'RemovePodSandbox',
    'PodSandboxStatus',
    'ListPodSandbox',
    'CreateContainer',
    'StartContainer',
    'StopContainer',
    'RemoveContainer',
    'ContainerStatus',
    'CheckpointContainer',
    'CheckpointPod',
    'RestorePod',
    'ListContainers',
    'UpdateContainerResources',
    'UpdatePodSandboxResources',
    'ReopenContainerLog',
    'ExecSync',
    'Exec',
    'Attach',
    'PortForward',
    'ContainerStats',
    'ListContainerStats',
    'PodSandboxStats',
    'ListPodSandboxStats',
    'ListMetricDescriptors',
    'ListPodSandboxMetrics',
  ],
  ImageService: ['PullImage', 'ListImages', 'ImageStatus', 'RemoveImage', 'ImageFsInfo'],
} as const;

/** The RPCs that are served as streams. */
export const streamedRpcs = [
  'GetContainerEvents',
  'StreamPodSandboxes',
  'StreamContainers',
  'StreamContainerStats',
  'StreamPodSandboxStats',
  'StreamPodSandboxMetrics',
  'StreamImages',
] as const;

/** Text that is not UTF-8, round a secret. */
const bad = Buffer.concat([Buffer.from([0xff, 0xc3]), Buffer.from(SECRET), Buffer.from([0x28])]);

/** For each served RPC that takes text: the bytes of a request with a field that is not UTF-8, and that field. */
export const notUtf8 = [
  ['RuntimeService/Version', field(1, bad), 'version'],
  ['RuntimeService/UpdatePodSandboxResources', field(1, bad), 'pod_sandbox_id'],
  [
    'RuntimeService/UpdateRuntimeConfig',
    field(1, field(1, field(1, bad))),
    'runtime_config.network_config.pod_cidr',
  ],
  ['RuntimeService/RunPodSandbox', field(1, field(1, field(1, bad))), 'config.metadata.name'],
  ['RuntimeService/RunPodSandbox', field(1, field(3, bad)), 'config.log_directory'],
  ['RuntimeService/RunPodSandbox', field(1, mapEntry(6, 'app', bad)), 'config.labels.app'],
  ['RuntimeService/RunPodSandbox', field(1, mapEntry(7, bad, 'value')), 'config.annotations'],
  ['RuntimeService/RunPodSandbox', field(2, bad), 'runtime_handler'],
  ['RuntimeService/StopPodSandbox', field(1, bad), 'pod_sandbox_id'],
  ['RuntimeService/RemovePodSandbox', field(1, bad), 'pod_sandbox_id'],
  ['RuntimeService/PodSandboxStatus', field(1, bad), 'pod_sandbox_id'],
  ['RuntimeService/ListPodSandbox', field(1, field(1, bad)), 'filter.id'],
  ['RuntimeService/CreateContainer', field(1, bad), 'pod_sandbox_id'],
  ['RuntimeService/CreateContainer', field(2, field(2, field(1, bad))), 'config.image.image'],
  [
    'RuntimeService/CreateContainer',
    field(2, Buffer.concat([field(4, 'a'), field(4, bad)])),
    'config.args[1]',
  ],
  ['RuntimeService/CreateContainer', field(2, field(11, bad)), 'config.log_path'],
  ['RuntimeService/CreateContainer', field(3, field(2, bad)), 'sandbox_config.hostname'],
  ['RuntimeService/StartContainer', field(1, bad), 'container_id'],
  ['RuntimeService/StopContainer', field(1, bad), 'container_id'],
  ['RuntimeService/RemoveContainer', field(1, bad), 'container_id'],
  ['RuntimeService/ContainerStatus', field(1, bad), 'container_id'],
  ['RuntimeService/CheckpointContainer', field(1, bad), 'container_id'],
  ['RuntimeService/CheckpointContainer', field(2, bad), 'location'],
  ['RuntimeService/CheckpointPod', field(1, bad), 'pod_sandbox_id'],
  ['RuntimeService/CheckpointPod', field(2, bad), 'output_path'],
  ['RuntimeService/CheckpointPod', field(3, bad), 'container_ids[0]'],
  ['RuntimeService/RestorePod', field(1, bad), 'checkpoint_path'],
  ['RuntimeService/RestorePod', field(2, field(3, bad)), 'config.log_directory'],
  ['RuntimeService/ListContainers', field(1, field(3, bad)), 'filter.pod_sandbox_id'],
  ['RuntimeService/UpdateContainerResources', field(1, bad), 'container_id'],
  ['RuntimeService/UpdateContainerResources', field(2, field(6, bad)), 'linux.cpuset_cpus'],
  ['ImageService/PullImage', field(1, field(1, bad)), 'image.image'],
  [
    'ImageService/PullImage',
    Buffer.concat([field(1, field(1, 'a:b')), field(2, field(2, bad))]),
    'auth.password',
  ],
  ['ImageService/ListImages', field(1, field(1, field(1, bad))), 'filter.image.image'],
  ['ImageService/ImageStatus', field(1, field(1, bad)), 'image.image'],
  ['ImageService/RemoveImage', field(1, field(1, bad)), 'image.image'],
] as const;
