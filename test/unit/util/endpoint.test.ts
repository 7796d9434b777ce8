import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseEndpoint } from '../../../src/util/endpoint.js';

describe('parseEndpoint', () => {
  it('takes socket files, with and without scheme, and socket activation', () => {
    assert.deepEqual(parseEndpoint('unix:///run/cri.sock'), { kind: 'unix', path: '/run/cri.sock' });
    assert.deepEqual(parseEndpoint('/run/cri.sock'), { kind: 'unix', path: '/run/cri.sock' });
    assert.deepEqual(parseEndpoint('fd://'), { kind: 'systemd' });
  });

  const refused: [string, RegExp][] = [
    ['', /"" has no scheme; write unix:/],
    ['run/cri.sock', /no scheme/],
    ['cri.sock', /no scheme/],
    ['unix:/run/cri.sock', /no scheme/],
    ['tcp://127.0.0.1:1234', /tcp:\/\/ is not served/],
    ['npipe:////./pipe/cri-dockerd', /npipe:\/\/ is not served/],
    ['unix://run/cri.sock', /must be absolute/],
    ['unix://', /must be absolute/],
    ['unix:///run/', /must name a file/],
    ['fd://name', /not picked by name/],
    [`unix:///${'x'.repeat(107)}`, /at most 107 bytes/],
    ['/run/a\0b', /NUL/],
  ];
  for (const [text, message] of refused) {
    it(`refuses ${JSON.stringify(text).slice(0, 40)}`, () => {
      assert.throws(() => parseEndpoint(text), message);
    });
  }
});
