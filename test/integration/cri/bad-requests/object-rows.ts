import type { CheckpointPodRequest } from '../../../../src/gen/runtime/v1/CheckpointPodRequest.js';
import type { UpdateContainerResourcesRequest } from '../../../../src/gen/runtime/v1/UpdateContainerResourcesRequest.js';
import { badResources } from './container-rows.js';
import type { Row } from './row.js';
import { idRows, rows } from './row.js';
import { UNKNOWN_ID, type World } from './world.js';

const bad = 'INVALID_ARGUMENT';

const ofRunning = ({ readySandbox, running }: World): CheckpointPodRequest => ({
  pod_sandbox_id: readySandbox,
  container_ids: [running],
});

/** RPCs on sandboxes and containers that are there already, and the lists of them. */
export const objectRows = [
  ...idRows(
    'StopPodSandbox',
    ({ runtime }) => runtime.StopPodSandbox,
    'pod_sandbox_id',
    'OK',
    (id) => ({ pod_sandbox_id: id }),
  ),
  ...idRows(
    'RemovePodSandbox',
    ({ runtime }) => runtime.RemovePodSandbox,
    'pod_sandbox_id',
    'OK',
    (id) => ({ pod_sandbox_id: id }),
  ),
  ...idRows(
    'PodSandboxStatus',
    ({ runtime }) => runtime.PodSandboxStatus,
    'pod_sandbox_id',
    'NOT_FOUND',
    (id) => ({ pod_sandbox_id: id }),
  ),
  ...idRows(
    'StartContainer',
    ({ runtime }) => runtime.StartContainer,
    'container_id',
    'NOT_FOUND',
    (id) => ({ container_id: id }),
  ),
  ...idRows(
    'StopContainer',
    ({ runtime }) => runtime.StopContainer,
    'container_id',
    'OK',
    (id) => ({ container_id: id }),
  ),
  ...idRows(
    'RemoveContainer',
    ({ runtime }) => runtime.RemoveContainer,
    'container_id',
    'OK',
    (id) => ({ container_id: id }),
  ),
  ...idRows(
    'ContainerStatus',
    ({ runtime }) => runtime.ContainerStatus,
    'container_id',
    'NOT_FOUND',
    (id) => ({ container_id: id }),
  ),
  ...idRows(
    'UpdateContainerResources',
    ({ runtime }) => runtime.UpdateContainerResources,
    'container_id',
    'NOT_FOUND',
    (id) => ({
      container_id: id,
      linux: { cpu_shares: 2 },
    }),
  ),
  ...idRows(
    'CheckpointPod',
    ({ runtime }) => runtime.CheckpointPod,
    'pod_sandbox_id',
    'NOT_FOUND',
    (id) => ({ pod_sandbox_id: id, container_ids: [UNKNOWN_ID], output_path: '/tmp' }),
  ),

  ...rows('CheckpointPod', ({ runtime }) => runtime.CheckpointPod, [
    {
      name: 'a pod that has stopped',
      request: (world) => ({ pod_sandbox_id: world.stoppedSandbox, container_ids: [world.running] }),
      code: 'FAILED_PRECONDITION',
      names: 'pod_sandbox_id',
    },
    {
      name: 'no containers',
      request: (world) => ({ pod_sandbox_id: world.readySandbox }),
      code: bad,
      names: 'container_ids',
    },
    {
      name: 'a container that has ended',
      request: (world) => ({ pod_sandbox_id: world.readySandbox, container_ids: [world.exited] }),
      code: 'FAILED_PRECONDITION',
      names: 'container_ids',
    },
    {
      name: 'a container twice',
      request: (world) => ({
        pod_sandbox_id: world.readySandbox,
        container_ids: [world.running, world.running],
      }),
      code: bad,
      names: 'container_ids',
    },
    {
      name: 'a relative path',
      request: (world) => ({ ...ofRunning(world), output_path: 'here' }),
      code: bad,
      names: 'output_path',
    },
    {
      name: 'a folder that is not empty',
      request: (world) => ({ ...ofRunning(world), output_path: '/etc' }),
      code: bad,
      names: 'output_path',
    },
    {
      name: 'an unknown option',
      request: (world) => ({ pod_sandbox_id: world.readySandbox, options: { compress: 'yes' } }),
      code: bad,
      names: 'options',
    },
  ]),
  ...rows('RestorePod', ({ runtime }) => runtime.RestorePod, [
    {
      name: 'restores switched off',
      request: () => ({ checkpoint_path: '/tmp' }),
      code: 'FAILED_PRECONDITION',
      names: 'checkpoint_path',
    },
  ]),

  ...rows('ListPodSandbox', ({ runtime }) => runtime.ListPodSandbox, [
    { name: 'an unknown id', request: () => ({ filter: { id: UNKNOWN_ID } }), code: 'OK' },
    { name: 'an empty filter', request: () => ({ filter: {} }), code: 'OK' },
  ]),
  ...rows('ListContainers', ({ runtime }) => runtime.ListContainers, [
    { name: 'an unknown id', request: () => ({ filter: { id: UNKNOWN_ID } }), code: 'OK' },
    { name: 'an unknown sandbox', request: () => ({ filter: { pod_sandbox_id: UNKNOWN_ID } }), code: 'OK' },
    { name: 'an empty filter', request: () => ({ filter: {} }), code: 'OK' },
  ]),

  ...rows('StartContainer', ({ runtime }) => runtime.StartContainer, [
    {
      name: 'a container that runs',
      request: (world) => ({ container_id: world.running }),
      code: 'OK',
    },
    {
      name: 'a container that has ended',
      request: (world) => ({ container_id: world.exited }),
      code: 'FAILED_PRECONDITION',
      names: 'container',
    },
  ]),
  ...rows('StopContainer', ({ runtime }) => runtime.StopContainer, [
    {
      name: 'a negative timeout',
      request: (world) => ({ container_id: world.running, timeout: -1 }),
      code: bad,
      names: 'timeout',
    },
  ]),

  ...rows('UpdateContainerResources', ({ runtime }) => runtime.UpdateContainerResources, [
    {
      name: 'no resources',
      request: (world) => ({ container_id: world.running }),
      code: bad,
      names: 'linux',
    },
    {
      name: 'resources for Windows',
      request: (world) => ({ container_id: world.running, windows: { cpu_count: 1 } }),
      code: bad,
      names: 'windows',
    },
    {
      name: 'a container that has ended',
      request: (world) => ({ container_id: world.exited, linux: { cpu_shares: 2 } }),
      code: 'FAILED_PRECONDITION',
      names: 'container',
    },
    ...badResources().map(
      ([name, linux, field]) =>
        ({
          name,
          request: (world) => ({ container_id: world.running, linux }),
          code: bad,
          names: `linux.${field}`,
        }) as const satisfies Row<UpdateContainerResourcesRequest>,
    ),
  ]),
];
