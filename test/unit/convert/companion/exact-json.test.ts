import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exactJsonText, readExactJson } from '../../../../src/convert/companion/exact-json.js';

describe('JSON that is read and written again', () => {
  it('keeps numbers that a double does not hold', () => {
    const text =
      '{"a":18446744073709551615,"b":[-9223372036854775808,1.5,-1,0],"c":"18446744073709551615 \\"12345678901234567\\""}';
    const value = readExactJson(text);
    assert.equal(exactJsonText(value), text);
    assert.equal(exactJsonText({ ...(value as object), d: 7 }), `${text.slice(0, -1)},"d":7}`);
    for (const long of ['[ 18446744073709551615]', '[\t-1.2345678901234567]', '[0,1e-3000000000000]'])
      assert.equal(exactJsonText(readExactJson(long)), long.replace(/\s/, ''));
  });

  it('writes bigints as numbers, also where there was none', () => {
    assert.equal(exactJsonText({ a: 18446744073709551615n }), '{"a":18446744073709551615}');
  });

  it('throws for what is none', () => {
    assert.throws(() => readExactJson('{'), SyntaxError);
  });
});
