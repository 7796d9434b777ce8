import type { PortMapping } from '../convert/sandbox/port-mappings.js';

/** The part of a checkpoint that its checksum covers. */
export interface CheckpointData {
  portMappings: PortMapping[];
  hostNetwork: boolean;
}

const FNV_OFFSET_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * cri-dockerd's checksum of a sandbox checkpoint: FNV-1a with 32 bits over the text that go-spew prints for Go's
 * `CheckpointData` with `%#v`. cri-dockerd deletes a checkpoint whose checksum is another one.
 */
export function checkpointChecksum(data: CheckpointData): number {
  return fnv1a32(Buffer.from(spew(data)));
}

function spew({ portMappings, hostNetwork }: CheckpointData): string {
  const mappings = portMappings.map(
    ({ protocol, containerPort, hostPort, hostIp }) =>
      `<*>{Protocol:(*config.Protocol)${protocol} ContainerPort:(*int32)${containerPort} ` +
      `HostPort:(*int32)${hostPort} HostIP:(string)${hostIp}}`,
  );
  const list = mappings.length === 0 ? '<nil>' : `[${mappings.join(' ')}]`;
  return `(core.CheckpointData){PortMappings:([]*config.PortMapping)${list} HostNetwork:(bool)${hostNetwork}}`;
}

function fnv1a32(bytes: Uint8Array): number {
  let hash = FNV_OFFSET_BASIS;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash >>> 0;
}
