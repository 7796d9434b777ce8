import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { readBytes, readText } from '../../../src/docker/body.js';
import { Code } from '../../../src/util/cri-error.js';

describe('an answer that is read as a whole', () => {
  it('is told as too long where it is, and read no further', async () => {
    const source = Readable.from([Buffer.from('abc'), Buffer.from('def')]);
    const tooLong = { code: Code.RESOURCE_EXHAUSTED, message: /longer than 5 bytes/ };
    await assert.rejects(readBytes(source, 5), tooLong);
    assert.equal(source.destroyed, true);
    const fits = Readable.from([Buffer.from('abc'), Buffer.from('de')]);
    assert.equal(await readText(fits, 5), 'abcde');
  });

  it('has a limit in any case: longer texts than Node can hold were taken for a lost connection', async () => {
    const piece = Buffer.alloc(1024 * 1024);
    let pieces = 0;
    const source = new Readable({ read: () => source.push(pieces++ < 600 ? piece : null) });
    await assert.rejects(readText(source), { code: Code.RESOURCE_EXHAUSTED });
    assert.ok(pieces < 300, String(pieces));
  });
});
