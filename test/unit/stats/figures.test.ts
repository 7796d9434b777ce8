import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CpuRate } from '../../../src/stats/cpu-rate.js';
import { parseNetDev } from '../../../src/stats/net-dev.js';

describe('CpuRate', () => {
  it('knows no rate before there are two readings seconds apart', () => {
    const rate = new CpuRate();
    assert.equal(rate.nanoCores({ atMs: 0, usageNs: 5 }), undefined);
    rate.sample({ atMs: 1_000, usageNs: 0 });
    assert.equal(rate.nanoCores({ atMs: 2_000, usageNs: 5 }), undefined);
    assert.equal(rate.nanoCores({ atMs: 11_000, usageNs: 5e9 }), 5e8);
  });

  it('goes back to the sample before the last when that is too fresh', () => {
    const rate = new CpuRate();
    rate.sample({ atMs: 0, usageNs: 0 });
    rate.sample({ atMs: 10_000, usageNs: 1e9 });
    assert.equal(rate.nanoCores({ atMs: 10_100, usageNs: 1.01e9 }), 1e8);
    assert.equal(rate.nanoCores({ atMs: 20_000, usageNs: 11e9 }), 1e9);
  });

  it('is never below 0', () => {
    const rate = new CpuRate();
    rate.sample({ atMs: 0, usageNs: 9 });
    assert.equal(rate.nanoCores({ atMs: 6_000, usageNs: 0 }), 0);
  });
});

describe('parseNetDev', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 1234567     890    1    2    0     0          0         0 20971520     456    3    4    0     0       0          0
net1:0:9 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0
`;

  it('reads every interface but loopback', () => {
    assert.deepEqual(parseNetDev(text), [
      {
        name: 'eth0',
        received: { bytes: 1_234_567, packets: 890, errors: 1, dropped: 2 },
        sent: { bytes: 20_971_520, packets: 456, errors: 3, dropped: 4 },
      },
      {
        name: 'net1:0',
        received: { bytes: 9, packets: 1, errors: 0, dropped: 0 },
        sent: { bytes: 8, packets: 1, errors: 0, dropped: 0 },
      },
    ]);
  });

  it('reads nothing out of nothing', () => {
    assert.deepEqual(parseNetDev(''), []);
  });
});
