import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apiVersionHeader, compareApiVersions, pickApiVersion } from '../../../src/docker/api-version.js';
import { Code } from '../../../src/util/cri-error.js';

describe('API version negotiation', () => {
  it('compares by number, not by text', () => {
    assert.ok(compareApiVersions('1.9', '1.41') < 0);
    assert.ok(compareApiVersions('2.0', '1.55') > 0);
    assert.equal(compareApiVersions('1.47', '1.47'), 0);
  });

  const engines = [
    { engine: '20.10', min: '1.12', max: '1.41', picked: '1.41' },
    { engine: '26.1', min: '1.24', max: '1.45', picked: '1.45' },
    { engine: '29.0', min: '1.44', max: '1.52', picked: '1.52' },
    { engine: '29.7', min: '1.40', max: '1.55', picked: '1.55' },
    { engine: 'newer, still overlapping', min: '1.55', max: '1.70', picked: '1.55' },
  ];
  for (const { engine, min, max, picked } of engines) {
    it(`picks ${picked} with Engine ${engine}`, () => {
      assert.equal(pickApiVersion({ Version: engine, ApiVersion: max, MinAPIVersion: min }), picked);
    });
  }

  it('takes an Engine that names no minimum for one that speaks its only version', () => {
    assert.equal(pickApiVersion({ Version: 'x', ApiVersion: '1.41' }), '1.41');
  });

  it('refuses Engines outside the window, and says both ranges', () => {
    assert.throws(() => pickApiVersion({ Version: '19.03', ApiVersion: '1.40', MinAPIVersion: '1.12' }), {
      code: Code.FAILED_PRECONDITION,
      message: 'Docker Engine 19.03 speaks API 1.12 to 1.40, cridock speaks 1.41 to 1.55',
    });
    assert.throws(() => pickApiVersion({ Version: '40', ApiVersion: '1.70', MinAPIVersion: '1.56' }), {
      code: Code.FAILED_PRECONDITION,
      message: 'Docker Engine 40 speaks API 1.56 to 1.70, cridock speaks 1.41 to 1.55',
    });
  });

  it('refuses what is not a version', () => {
    assert.throws(() => pickApiVersion({ Version: 'x', ApiVersion: '' }), { code: Code.FAILED_PRECONDITION });
  });

  it('finds the header of an answer, however it is written', () => {
    const rawHeaders = ['Server', 'api-version', 'API-Version', '1.51', 'Api-Version', '1.52'];
    assert.equal(apiVersionHeader({ rawHeaders }), '1.51');
    assert.equal(apiVersionHeader({ rawHeaders: rawHeaders.slice(0, 2) }), undefined);
  });
});
