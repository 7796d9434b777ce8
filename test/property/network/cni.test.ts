import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { parseQuantity } from '../../../src/network/cni/quantity.js';
import { containerAddresses, convertResult, parseResult } from '../../../src/network/cni/result.js';

const address = fc.oneof(
  fc.ipV4().map((ip) => `${ip}/24`),
  fc.ipV6().map((ip) => `${ip}/64`),
);
const result = fc.record(
  {
    cniVersion: fc.constantFrom('1.0.0', '1.1.0'),
    ips: fc.array(fc.record({ address }, { noNullPrototype: true }), { maxLength: 4 }),
  },
  { noNullPrototype: true },
);

describe('CNI results', () => {
  it('survive a conversion to an older version and back', () => {
    fc.assert(
      fc.property(result, fc.constantFrom('0.3.1', '0.4.0'), (original, older) => {
        const converted = convertResult(original, older);
        assert.deepEqual(containerAddresses(converted, 'eth0'), containerAddresses(original, 'eth0'));
        assert.deepEqual(convertResult(converted, original.cniVersion), original);
      }),
      { seed: 8 },
    );
  });

  it('of any JSON are read or refused, never more than that', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        let read: Record<string, unknown>;
        try {
          read = parseResult(text, '1.0.0');
        } catch {
          return;
        }
        assert.ok(Array.isArray(containerAddresses(read, 'eth0')));
      }),
      { seed: 8 },
    );
  });
});

describe('quantities', () => {
  it('of decimal numbers are rounded up', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 0, max: 999 }),
        (whole, thousandths) => {
          const text = `${whole}.${String(thousandths).padStart(3, '0')}`;
          assert.equal(parseQuantity(text), BigInt(whole) + (thousandths > 0 ? 1n : 0n));
          assert.equal(parseQuantity(`${text}k`), BigInt(whole * 1000 + thousandths));
        },
      ),
      { seed: 8 },
    );
  });
});
