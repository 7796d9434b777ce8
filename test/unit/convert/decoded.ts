import { join } from 'node:path';
import { loadSync } from '@grpc/proto-loader';
import type { MessageTypeDefinition } from '@grpc/proto-loader';
import type {
  ContainerConfig,
  ContainerConfig__Output,
} from '../../../src/gen/runtime/v1/ContainerConfig.js';
import type {
  LinuxContainerResources,
  LinuxContainerResources__Output,
} from '../../../src/gen/runtime/v1/LinuxContainerResources.js';
import type {
  LinuxContainerSecurityContext,
  LinuxContainerSecurityContext__Output,
} from '../../../src/gen/runtime/v1/LinuxContainerSecurityContext.js';
import type { Mount, Mount__Output } from '../../../src/gen/runtime/v1/Mount.js';
import type {
  PodSandboxConfig,
  PodSandboxConfig__Output,
} from '../../../src/gen/runtime/v1/PodSandboxConfig.js';

// Compiled, this file is <root>/<outDir>/test/unit/convert/decoded.js.
const PROTO = join(import.meta.dirname, '../../../../proto/runtime/v1/api.proto');

const definitions = loadSync(PROTO, {
  keepCase: true,
  longs: String,
  enums: Number,
  defaults: true,
  arrays: true,
  objects: true,
});

/** The message as the server decodes it from the wire: everything that was left out is there with its default. */
function decoded(message: string, value: object): object {
  const definition = definitions[`runtime.v1.${message}`] as
    MessageTypeDefinition<object, object> | undefined;
  if (!definition) throw new Error(`no message ${message}`);
  return definition.deserialize(definition.serialize(value));
}

export function sandboxConfig(change: PodSandboxConfig = {}): PodSandboxConfig__Output {
  const metadata = { name: 'p1', namespace: 'ns1', uid: 'uid-1', attempt: 0 };
  return decoded('PodSandboxConfig', { metadata, ...change }) as PodSandboxConfig__Output;
}

export function containerConfig(change: ContainerConfig = {}): ContainerConfig__Output {
  const minimum = { metadata: { name: 'c1', attempt: 0 }, image: { image: 'busybox' } };
  return decoded('ContainerConfig', { ...minimum, ...change }) as ContainerConfig__Output;
}

export function securityContext(
  change: LinuxContainerSecurityContext = {},
): LinuxContainerSecurityContext__Output {
  return decoded('LinuxContainerSecurityContext', change) as LinuxContainerSecurityContext__Output;
}

export function containerResources(change: LinuxContainerResources = {}): LinuxContainerResources__Output {
  return decoded('LinuxContainerResources', change) as LinuxContainerResources__Output;
}

export function mount(change: Mount = {}): Mount__Output {
  return decoded('Mount', change) as Mount__Output;
}
