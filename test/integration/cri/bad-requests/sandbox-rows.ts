import type { LinuxPodSandboxConfig } from '../../../../src/gen/runtime/v1/LinuxPodSandboxConfig.js';
import type { PodSandboxConfig } from '../../../../src/gen/runtime/v1/PodSandboxConfig.js';
import type { PortMapping } from '../../../../src/gen/runtime/v1/PortMapping.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import { rows } from './row.js';
import type { World } from './world.js';
import { sandboxConfig } from './world.js';

const bad = 'INVALID_ARGUMENT';

export const sandboxRows = rows('RunPodSandbox', ({ runtime }) => runtime.RunPodSandbox, [
  { name: 'no config', request: () => ({}), code: bad, names: 'config' },
  {
    name: 'an unknown runtime handler',
    request: (world) => ({ config: sandboxConfig(world.label), runtime_handler: 'no-such-runtime' }),
    code: bad,
    names: 'runtime_handler',
  },
  ...(
    [
      ['no metadata', { metadata: null }, 'config.metadata'],
      ['an empty name', { metadata: { uid: 'u', namespace: 'n' } }, 'config.metadata.name'],
      ['a path as name', { metadata: { name: '../a', uid: 'u', namespace: 'n' } }, 'config.metadata.name'],
      [
        'a separator in the namespace',
        { metadata: { name: 'a', uid: 'u', namespace: 'n_m' } },
        'config.metadata.namespace',
      ],
      [
        'a line break in the uid',
        { metadata: { name: 'a', uid: 'u\n', namespace: 'n' } },
        'config.metadata.uid',
      ],
      ['an oversized name', { metadata: { name: 'a'.repeat(100_000), uid: 'u' } }, 'config.metadata.name'],
      ['a relative log directory', { log_directory: 'var/log' }, 'config.log_directory'],
      ['a NUL in the log directory', { log_directory: '/tmp/a\0b' }, 'config.log_directory'],
      ['a host name that is too long', { hostname: 'h'.repeat(65) }, 'config.hostname'],
      ['a config for Windows', { linux: null, windows: {} }, 'config.windows'],
    ] satisfies [string, PodSandboxConfig, string][]
  ).map(([name, change, names]) => badSandbox(name, change, names)),
  ...(
    [
      ['a negative host port', { host_port: -1, container_port: 80 }, 'host_port'],
      ['a host port above 65535', { host_port: 65_536, container_port: 80 }, 'host_port'],
      ['a container port above 65535', { host_port: 80, container_port: 65_536 }, 'container_port'],
      ['a host port for no container port', { host_port: 80 }, 'container_port'],
      ['a host address that is none', { host_port: 80, container_port: 80, host_ip: 'here' }, 'host_ip'],
      ['an unknown protocol', { host_port: 80, container_port: 80, protocol: 99 as 0 }, 'protocol'],
    ] satisfies [string, PortMapping, string][]
  ).map(([name, mapping, field]) =>
    badSandbox(name, { port_mappings: [mapping] }, `config.port_mappings[0].${field}`),
  ),
  ...(
    [
      ['a cgroup parent that escapes', { cgroup_parent: '/kubepods/../../x' }, 'cgroup_parent'],
      [
        'a network namespace per container',
        { security_context: { namespace_options: { network: NamespaceMode.CONTAINER } } },
        'security_context.namespace_options.network',
      ],
      [
        'an unknown namespace mode',
        { security_context: { namespace_options: { ipc: 42 as 0 } } },
        'security_context.namespace_options.ipc',
      ],
      [
        'a network sysctl on the network of the host',
        {
          sysctls: { 'net.ipv4.ip_forward': '1' },
          security_context: { namespace_options: { network: NamespaceMode.NODE } },
        },
        'sysctls',
      ],
      [
        'a group without a user',
        { security_context: { run_as_group: { value: 5 } } },
        'security_context.run_as_group',
      ],
    ] satisfies [string, LinuxPodSandboxConfig, string][]
  ).map(([name, linux, field]) => badSandbox(name, { linux }, `config.linux.${field}`)),
]);

function badSandbox(name: string, change: PodSandboxConfig, names: string) {
  return {
    name,
    request: (world: World) => ({ config: sandboxConfig(world.label, change) }),
    code: bad,
    names,
  } as const;
}
