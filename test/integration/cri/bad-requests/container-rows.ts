import type { ContainerConfig } from '../../../../src/gen/runtime/v1/ContainerConfig.js';
import type { LinuxContainerResources } from '../../../../src/gen/runtime/v1/LinuxContainerResources.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import { rows } from './row.js';
import type { World } from './world.js';
import { UNKNOWN_ID, containerConfig } from './world.js';

const bad = 'INVALID_ARGUMENT';

export const containerRows = rows('CreateContainer', ({ runtime }) => runtime.CreateContainer, [
  { name: 'nothing', request: () => ({}), code: bad },
  {
    name: 'no sandbox',
    request: (world) => ({ ...goodContainer(world), pod_sandbox_id: '' }),
    code: bad,
    names: 'pod_sandbox_id',
  },
  {
    name: 'an unknown sandbox',
    request: (world) => ({ ...goodContainer(world), pod_sandbox_id: UNKNOWN_ID }),
    code: 'NOT_FOUND',
    names: UNKNOWN_ID,
  },
  {
    name: 'an ambiguous sandbox',
    request: (world) => ({ ...goodContainer(world), pod_sandbox_id: world.ambiguousSandbox }),
    code: bad,
    names: 'pod_sandbox_id',
  },
  {
    name: 'a stopped sandbox',
    request: (world) => ({ ...goodContainer(world), pod_sandbox_id: world.stoppedSandbox }),
    code: 'FAILED_PRECONDITION',
    names: 'sandbox',
  },
  {
    name: 'no config',
    request: (world) => ({ ...goodContainer(world), config: null }),
    code: bad,
    names: 'config',
  },
  {
    name: 'an image that is not there',
    request: (world) => goodContainer(world, { image: { image: 'localhost/no/such:image' } }),
    code: 'NOT_FOUND',
    names: 'localhost/no/such:image',
  },
  ...(
    [
      ['no metadata', { metadata: null }, 'config.metadata'],
      ['an empty name', { metadata: {} }, 'config.metadata.name'],
      ['a separator in the name', { metadata: { name: 'a_b' } }, 'config.metadata.name'],
      ['no image', { image: null }, 'config.image'],
      ['an empty image', { image: {} }, 'config.image.image'],
      ['an image that cannot be one', { image: { image: 'No Such:::image' } }, 'config.image.image'],
      ['".." in the log path', { log_path: '../../etc/passwd' }, 'config.log_path'],
      ['".." inside the log path', { log_path: 'a/../../b' }, 'config.log_path'],
      ['an absolute log path', { log_path: '/etc/passwd' }, 'config.log_path'],
      ['a NUL in the log path', { log_path: 'a\0b' }, 'config.log_path'],
      ['an oversized log path', { log_path: 'a/'.repeat(5_000) + 'b' }, 'config.log_path'],
      ['a relative working directory', { working_dir: 'tmp' }, 'config.working_dir'],
      ['a NUL in the command', { command: ['sleep', '1\0'] }, 'config.command[1]'],
      ['a NUL in an argument', { args: ['\0'] }, 'config.args[0]'],
      ['a variable without name', { envs: [{ value: Buffer.from('v') }] }, 'config.envs[0]'],
      ['a variable with "=" in its name', { envs: [{ key: 'a=b' }] }, 'config.envs[0]'],
      [
        'a variable that is not UTF-8',
        { envs: [{ key: 'A' }, { key: 'B', value: Buffer.from([0xff]) }] },
        'config.envs[1]',
      ],
      ['a variable with a NUL', { envs: [{ key: 'A', value: Buffer.from([0]) }] }, 'config.envs[0]'],
      ['a mount to nowhere', { mounts: [{ host_path: '/tmp' }] }, 'config.mounts[0].container_path'],
      ['a mount of nothing', { mounts: [{ container_path: '/m' }] }, 'config.mounts[0].host_path'],
      [
        'a mount of a relative path',
        { mounts: [{ container_path: '/m', host_path: 'tmp' }] },
        'config.mounts[0].host_path',
      ],
      [
        'an unknown mount propagation',
        { mounts: [{ container_path: '/m', host_path: '/tmp', propagation: 42 as 0 }] },
        'config.mounts[0].propagation',
      ],
      ['a device without path', { devices: [{ container_path: '/dev/x' }] }, 'config.devices[0].host_path'],
      ['an unknown stop signal', { stop_signal: 99 as 0 }, 'config.stop_signal'],
      ['a config for Windows', { linux: null, windows: {} }, 'config.windows'],
      [
        'a network namespace of its own',
        { linux: { security_context: { namespace_options: { network: NamespaceMode.CONTAINER } } } },
        'config.linux.security_context.namespace_options.network',
      ],
      [
        'no target for a process namespace',
        { linux: { security_context: { namespace_options: { pid: NamespaceMode.TARGET } } } },
        'config.linux.security_context.namespace_options.target_id',
      ],
      [
        'a group without a user',
        { linux: { security_context: { run_as_group: { value: 5 } } } },
        'config.linux.security_context.run_as_group',
      ],
    ] satisfies [string, ContainerConfig, string][]
  ).map(([name, change, names]) => badContainer(name, change, names)),
  ...badResources().map(([name, resources, field]) =>
    badContainer(name, { linux: { resources } }, `config.linux.resources.${field}`),
  ),
]);

function goodContainer(world: World, change: ContainerConfig = {}) {
  return {
    pod_sandbox_id: world.readySandbox,
    config: containerConfig(world.label, change),
    sandbox_config: world.readySandboxConfig,
  };
}

function badContainer(name: string, change: ContainerConfig, names: string) {
  return { name, request: (world: World) => goodContainer(world, change), code: bad, names } as const;
}

export function badResources(): [name: string, resources: LinuxContainerResources, field: string][] {
  return [
    ['a negative memory limit', { memory_limit_in_bytes: -5 }, 'memory_limit_in_bytes'],
    [
      'a memory limit that no number holds',
      { memory_limit_in_bytes: '9223372036854775807' },
      'memory_limit_in_bytes',
    ],
    ['negative CPU shares', { cpu_shares: -5 }, 'cpu_shares'],
    ['a negative CPU period', { cpu_period: -5 }, 'cpu_period'],
    ['an out-of-memory score above 1000', { oom_score_adj: 1001 }, 'oom_score_adj'],
    ['CPUs that are none', { cpuset_cpus: 'all of them' }, 'cpuset_cpus'],
    ['memory nodes that are none', { cpuset_mems: '1-' }, 'cpuset_mems'],
  ];
}
