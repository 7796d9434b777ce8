import type { PortMapping } from '../convert/sandbox/port-mappings.js';
import { checkpointChecksum, type CheckpointData } from './checkpoint-checksum.js';
import { podPortMappings } from '../convert/sandbox/port-mappings.js';
import { isHostNetwork } from '../convert/security/namespaces.js';
import type { PodSandboxConfig__Output } from '../gen/runtime/v1/PodSandboxConfig.js';

/** What is remembered of a sandbox outside Docker: enough to detach its network when its container is gone. */
export interface SandboxCheckpoint extends CheckpointData {
  name: string;
  namespace: string;
}

const VERSION = 'v1';

/** The checkpoint of a sandbox that is about to be made. INVALID_ARGUMENT for malformed port mappings. */
export function checkpointOf(config: PodSandboxConfig__Output): SandboxCheckpoint {
  return {
    name: config.metadata?.name ?? '',
    namespace: config.metadata?.namespace ?? '',
    portMappings: podPortMappings(config.port_mappings),
    hostNetwork: isHostNetwork(config),
  };
}

/** The text of cri-dockerd's checkpoint file: members that are empty are left out, as Go's `omitempty` does. */
export function formatCheckpoint(checkpoint: SandboxCheckpoint): string {
  const { name, namespace, portMappings, hostNetwork } = checkpoint;
  return JSON.stringify({
    version: VERSION,
    name,
    namespace,
    data: {
      ...(portMappings.length > 0 && {
        port_mappings: portMappings.map(({ protocol, containerPort, hostPort, hostIp }) => ({
          protocol,
          container_port: containerPort,
          host_port: hostPort,
          ...(hostIp !== '' && { host_ip: hostIp }),
        })),
      }),
      ...(hostNetwork && { host_network: true }),
    },
    checksum: checkpointChecksum(checkpoint),
  });
}

/** Reads the text of a checkpoint file; throws an Error that tells what is wrong with it. */
export function parseCheckpoint(text: string): SandboxCheckpoint {
  const file = asObject('the file', JSON.parse(text));
  if (file['version'] !== VERSION) throw new Error(`version is not ${VERSION}`);
  const data = asObject('data', file['data']);
  const checkpoint = {
    name: asText('name', file['name']),
    namespace: asText('namespace', file['namespace']),
    portMappings: asPortMappings(data['port_mappings']),
    hostNetwork: data['host_network'] === true,
  };
  const checksum = checkpointChecksum(checkpoint);
  if (file['checksum'] !== checksum) throw new Error(`its checksum is not ${checksum}`);
  return checkpoint;
}

function asPortMappings(value: unknown): PortMapping[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error('port_mappings is not a list');
  return value.map((entry: unknown) => {
    const mapping = asObject('an entry of port_mappings', entry);
    return {
      protocol: asProtocol(mapping['protocol']),
      containerPort: asInteger('container_port', mapping['container_port']),
      hostPort: asInteger('host_port', mapping['host_port']),
      hostIp: asText('host_ip', mapping['host_ip'] ?? ''),
    };
  });
}

function asObject(what: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error(`${what} is not an object`);
  return { ...value };
}

function asText(what: string, value: unknown): string {
  if (typeof value !== 'string') throw new Error(`${what} is not a text`);
  return value;
}

function asInteger(what: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new Error(`${what} is not an integer`);
  return value;
}

function asProtocol(value: unknown): PortMapping['protocol'] {
  if (value !== 'tcp' && value !== 'udp' && value !== 'sctp')
    throw new Error('protocol is not tcp, udp or sctp');
  return value;
}
