import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { goneSandbox } from '../../../../src/network/cni/attachment.js';
import { bandwidthArgs, capabilityArgs, declaredArgs } from '../../../../src/network/cni/capabilities.js';
import { parseNetworkList } from '../../../../src/network/cni/network-config.js';
import { parseQuantity } from '../../../../src/network/cni/quantity.js';
import { Code, hasCode } from '../../../../src/util/cri-error.js';

const POD = { ...goneSandbox('a'.repeat(64)), portMappings: [] };

describe('capabilityArgs', () => {
  it('says nothing where there is nothing to say', () => {
    assert.deepEqual(capabilityArgs(POD, ''), {});
  });

  it('passes the mappings that have a host port', () => {
    const portMappings = [
      { protocol: 'tcp' as const, containerPort: 80, hostPort: 8080, hostIp: '127.0.0.1' },
      { protocol: 'udp' as const, containerPort: 53, hostPort: 0, hostIp: '' },
    ];
    assert.deepEqual(capabilityArgs({ ...POD, portMappings }, ''), {
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '127.0.0.1' }],
    });
  });

  it('gives each pod CIDR a range set of its own', () => {
    assert.deepEqual(capabilityArgs(POD, '10.1.0.0/16, fd00::/64'), {
      ipRanges: [[{ subnet: '10.1.0.0/16' }], [{ subnet: 'fd00::/64' }]],
    });
  });

  it('passes the resolver settings', () => {
    const dns = { servers: ['10.96.0.10'], searches: ['shop.svc.cluster.local'], options: ['ndots:5'] };
    assert.deepEqual(capabilityArgs({ ...POD, dns }, ''), { dns });
  });

  it('passes the cgroup and the annotations', () => {
    assert.deepEqual(capabilityArgs({ ...POD, cgroupParent: '/kubepods/x', annotations: { a: 'b' } }, ''), {
      cgroupPath: '/kubepods/x',
      'io.kubernetes.cri.pod-annotations': { a: 'b' },
    });
  });
});

describe('declaredArgs', () => {
  it('keeps what some plugin declares', () => {
    const plugins = [
      { type: 'a', capabilities: { x: true, y: false } },
      { type: 'b', capabilities: { z: true } },
    ];
    const network = parseNetworkList(JSON.stringify({ name: 'n', plugins }));
    assert.deepEqual(declaredArgs(network, { x: 1, y: 2, z: 3, other: 4 }), { x: 1, z: 3 });
  });
});

describe('bandwidthArgs', () => {
  it('reads the annotations as bits per second', () => {
    assert.deepEqual(bandwidthArgs({}), {});
    assert.deepEqual(bandwidthArgs({ 'kubernetes.io/ingress-bandwidth': '10M' }), {
      bandwidth: { ingressRate: 10_000_000, ingressBurst: 2147483647 },
    });
    assert.deepEqual(
      bandwidthArgs({ 'kubernetes.io/ingress-bandwidth': '1k', 'kubernetes.io/egress-bandwidth': '1.5Gi' }),
      {
        bandwidth: {
          ingressRate: 1000,
          ingressBurst: 2147483647,
          egressRate: 1610612736,
          egressBurst: 2147483647,
        },
      },
    );
  });

  for (const text of ['', 'fast', '10 M', '-1M', '999', '2P']) {
    it(`refuses "${text}" and names the annotation`, () => {
      assert.throws(
        () => bandwidthArgs({ 'kubernetes.io/egress-bandwidth': text }),
        (error) =>
          hasCode(error, Code.INVALID_ARGUMENT) && error.message.includes('kubernetes.io/egress-bandwidth'),
      );
    });
  }
});

describe('parseQuantity', () => {
  const good: [string, bigint][] = [
    ['0', 0n],
    ['12', 12n],
    ['+12', 12n],
    ['.5', 1n],
    ['5.', 5n],
    ['1.2k', 1200n],
    ['100m', 1n],
    ['1500m', 2n],
    ['1u', 1n],
    ['2Ki', 2048n],
    ['1e3', 1000n],
    ['1E3', 1000n],
    ['1E', 10n ** 18n],
    ['25e-1', 3n],
    ['-1.5', -1n],
    ['1Ei', 2n ** 60n],
  ];
  for (const [text, value] of good) it(`reads ${text}`, () => assert.equal(parseQuantity(text), value));

  for (const text of ['', '.', '+', '1K', '1ki', '1mi', '1e', '1e1000', '0x10', '1,5', ' 1', '1M\n']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseQuantity(text), undefined));
  }
});
