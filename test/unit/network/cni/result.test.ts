import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { containerAddresses, convertResult, parseResult } from '../../../../src/network/cni/result.js';

const INTERFACES = [
  { name: 'cni0' },
  { name: 'eth0', sandbox: '/proc/1/ns/net' },
  { name: 'net1', sandbox: 'x' },
];
const PLAIN = {
  cniVersion: '1.0.0',
  interfaces: INTERFACES,
  ips: [
    { address: '10.1.0.2/16', gateway: '10.1.0.1', interface: 1 },
    { address: 'fd00::2/64', interface: 1 },
  ],
  dns: {},
};
const TAGGED = {
  ...PLAIN,
  cniVersion: '0.4.0',
  ips: [
    { version: '4', address: '10.1.0.2/16', gateway: '10.1.0.1', interface: 1 },
    { version: '6', address: 'fd00::2/64', interface: 1 },
  ],
};

describe('parseResult', () => {
  it('assumes the version of the configuration', () => {
    assert.deepEqual(parseResult('{}', '0.4.0'), { cniVersion: '0.4.0' });
    assert.deepEqual(parseResult('{"cniVersion":""}', '0.4.0'), { cniVersion: '0.4.0' });
    assert.deepEqual(parseResult('null', '1.0.0'), { cniVersion: '1.0.0' });
  });

  it('converts to the version of the configuration', () => {
    assert.deepEqual(parseResult(JSON.stringify(PLAIN), '0.4.0'), TAGGED);
  });

  it('refuses what is not a result', () => {
    assert.throws(() => parseResult('', '1.0.0'));
    assert.throws(() => parseResult('ok', '1.0.0'));
    assert.throws(() => parseResult('[]', '1.0.0'), /not a JSON object/);
    assert.throws(() => parseResult('{"cniVersion":"9.0.0"}', '1.0.0'), /9\.0\.0/);
  });
});

describe('convertResult', () => {
  it('drops and adds the IP version', () => {
    assert.deepEqual(convertResult(TAGGED, '1.0.0'), PLAIN);
    assert.deepEqual(convertResult(PLAIN, '0.4.0'), TAGGED);
    assert.deepEqual(convertResult(PLAIN, '1.1.0'), { ...PLAIN, cniVersion: '1.1.0' });
  });

  it('does not convert from and to the shape before 0.3.0', () => {
    assert.throws(
      () => convertResult({ cniVersion: '0.2.0', ip4: { ip: '10.0.0.2/8' } }, '0.4.0'),
      /0\.2\.0/,
    );
  });
});

describe('containerAddresses', () => {
  it('keeps the order of the result', () => {
    assert.deepEqual(containerAddresses(PLAIN, 'eth0'), ['10.1.0.2', 'fd00::2']);
    assert.deepEqual(containerAddresses({ ...PLAIN, ips: PLAIN.ips.toReversed() }, 'eth0'), [
      'fd00::2',
      '10.1.0.2',
    ]);
  });

  it('leaves out addresses of other interfaces', () => {
    const ips = [
      { address: '10.1.0.1/16', interface: 0 },
      { address: '10.1.0.2/16', interface: 1 },
      { address: '10.2.0.2/16', interface: 2 },
      { address: '10.3.0.2/16' },
    ];
    assert.deepEqual(containerAddresses({ interfaces: INTERFACES, ips }, 'eth0'), ['10.1.0.2', '10.3.0.2']);
  });

  it('takes an interface without a sandbox for the container’s where no other one is', () => {
    const ips = [{ address: '10.1.0.2/16', interface: 1 }];
    const noSandbox = [{ name: 'vethweb' }, { name: 'eth0', mac: '02:00:00:00:00:01' }];
    assert.deepEqual(containerAddresses({ interfaces: noSandbox, ips }, 'eth0'), ['10.1.0.2']);
    const namesakes = [{ name: 'eth0', sandbox: '/proc/1/ns/net' }, { name: 'eth0' }];
    assert.deepEqual(containerAddresses({ interfaces: namesakes, ips }, 'eth0'), []);
    const onHost = [{ name: 'cni0' }, { name: 'vethweb' }];
    assert.deepEqual(containerAddresses({ interfaces: onHost, ips }, 'eth0'), []);
  });

  it('takes an interface that is not listed for the container’s', () => {
    assert.deepEqual(containerAddresses({ ips: [{ address: '10.1.0.2/16', interface: 0 }] }, 'eth0'), [
      '10.1.0.2',
    ]);
  });

  it('reads results before 0.3.0', () => {
    const result = { cniVersion: '0.2.0', ip4: { ip: '10.0.0.2/8' }, ip6: { ip: 'fd00::2/64' } };
    assert.deepEqual(containerAddresses(result, 'eth0'), ['10.0.0.2', 'fd00::2']);
  });

  it('leaves out what is no address', () => {
    assert.deepEqual(containerAddresses({ ips: [{}, 1, { address: 'x/8' }] }, 'eth0'), []);
    assert.deepEqual(containerAddresses({}, 'eth0'), []);
  });
});
