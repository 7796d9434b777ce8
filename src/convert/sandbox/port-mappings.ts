import { isIP } from 'node:net';
import { invalidArgument } from '../../util/cri-error.js';
import { Protocol } from '../../gen/runtime/v1/Protocol.js';
import type { Protocol__Output } from '../../gen/runtime/v1/Protocol.js';
import type { PortMapping__Output } from '../../gen/runtime/v1/PortMapping.js';

/** A host port mapping of a pod, as CRI sends it. */
export interface PortMapping {
  protocol: 'tcp' | 'udp' | 'sctp';
  containerPort: number;
  /** 0 means none, never "any free one" (CRI 1.36 spells it out). */
  hostPort: number;
  hostIp: string;
}

const MAX_PORT = 65535;

/** The pod's port mappings; INVALID_ARGUMENT that names the entry for ports, addresses and protocols that are none. */
export function podPortMappings(mappings: PortMapping__Output[]): PortMapping[] {
  return mappings.map((mapping, index) => {
    const field = `config.port_mappings[${index}]`;
    checkPort(`${field}.host_port`, mapping.host_port, 0);
    checkPort(`${field}.container_port`, mapping.container_port, mapping.host_port === 0 ? 0 : 1);
    if (mapping.host_ip !== '' && isIP(mapping.host_ip) === 0) {
      throw invalidArgument(`${field}.host_ip`, 'must be an IP address');
    }
    return {
      protocol: protocolName(`${field}.protocol`, mapping.protocol),
      containerPort: mapping.container_port,
      hostPort: mapping.host_port,
      hostIp: mapping.host_ip,
    };
  });
}

function checkPort(field: string, port: number, min: number): void {
  if (port < min || port > MAX_PORT) throw invalidArgument(field, `must be between ${min} and ${MAX_PORT}`);
}

function protocolName(field: string, protocol: Protocol__Output): PortMapping['protocol'] {
  switch (protocol) {
    case Protocol.TCP:
      return 'tcp';
    case Protocol.UDP:
      return 'udp';
    case Protocol.SCTP:
      return 'sctp';
    default:
      throw invalidArgument(field, 'is unknown');
  }
}
