import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { podPortMappings } from '../../../../src/convert/sandbox/port-mappings.js';
import { Protocol } from '../../../../src/gen/runtime/v1/Protocol.js';
import { assertRefused } from '../refusals.js';

const web = { protocol: Protocol.TCP, container_port: 80, host_port: 8080, host_ip: '' };

describe('podPortMappings', () => {
  it('takes protocols, addresses and ports as they are', () => {
    const dns = { protocol: Protocol.UDP, container_port: 53, host_port: 0, host_ip: '::1' };
    const diameter = {
      protocol: Protocol.SCTP,
      container_port: 3868,
      host_port: 65535,
      host_ip: '127.0.0.1',
    };
    assert.deepEqual(podPortMappings([web, dns, diameter]), [
      { protocol: 'tcp', containerPort: 80, hostPort: 8080, hostIp: '' },
      { protocol: 'udp', containerPort: 53, hostPort: 0, hostIp: '::1' },
      { protocol: 'sctp', containerPort: 3868, hostPort: 65535, hostIp: '127.0.0.1' },
    ]);
  });

  it('refuses what is none', () => {
    const refuse = (change: object, field: string) => {
      assertRefused(() => podPortMappings([web, { ...web, ...change }]), `config.port_mappings[1].${field}`);
    };
    refuse({ host_port: -1 }, 'host_port');
    refuse({ host_port: 65536 }, 'host_port');
    refuse({ container_port: 0 }, 'container_port');
    refuse({ container_port: 65536 }, 'container_port');
    refuse({ host_ip: 'localhost' }, 'host_ip');
    refuse({ protocol: 7 }, 'protocol');
  });
});
