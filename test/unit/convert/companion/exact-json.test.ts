import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readExactJson } from '../../../../src/convert/companion/exact-json.js';

describe('JSON that is read and written again', () => {
  it('keeps numbers that a double does not hold', () => {
    const text =
      '{"a":18446744073709551615,"b":[-9223372036854775808,1.5,-1,0],"c":"18446744073709551615 \\"12345678901234567\\""}';
    const json = readExactJson(text);
    assert.equal(json.write(json.value), text);
    assert.equal(json.write({ ...(json.value as object), d: 7 }), `${text.slice(0, -1)},"d":7}`);
  });

  it('writes bigints as numbers, also where there was none', () => {
    assert.equal(readExactJson('{}').write({ a: 18446744073709551615n }), '{"a":18446744073709551615}');
  });

  it('throws for what is none', () => {
    assert.throws(() => readExactJson('{'), SyntaxError);
  });
});
