import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { constants, createDeflate, createInflate, deflateSync } from 'node:zlib';
import { headerDictionary } from '../../../../src/streaming/spdy/dictionary.js';
import { emptyHeaderBlock, HeaderReader } from '../../../../src/streaming/spdy/header-block.js';
import { SpdyError } from '../../../../src/streaming/spdy/frame-reader.js';

/** Header blocks as a compressor makes them that keeps its state from block to block. */
class Compressor {
  readonly #deflate = createDeflate({ dictionary: headerDictionary(), flush: constants.Z_SYNC_FLUSH });

  async block(headers: Record<string, string>): Promise<Buffer> {
    const word = (value: number) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    };
    const entries = Object.entries(headers);
    const texts = entries.flat().flatMap((text) => [word(Buffer.byteLength(text)), Buffer.from(text)]);
    const plain = Buffer.concat([word(entries.length), ...texts]);
    await new Promise((resolve) => this.#deflate.write(plain, resolve));
    const pieces: Buffer[] = [];
    for (let piece: unknown; (piece = this.#deflate.read()) !== null;) pieces.push(piece as Buffer);
    return Buffer.concat(pieces);
  }
}

describe('SPDY header blocks', () => {
  it('have the dictionary that all others have', () => {
    assert.equal(headerDictionary().length, 1423);
    assert.equal(deflateSync('', { dictionary: headerDictionary() }).readUInt32BE(2), 0xe3c6a7c2);
  });

  it('are read one by one out of one compressed stream', async () => {
    const compressor = new Compressor();
    const reader = new HeaderReader();
    for (let index = 0; index < 2_000; index += 1) {
      const headers = { streamtype: index % 2 === 0 ? 'data' : 'error', port: '8080', requestid: `${index}` };
      const read = reader.read(await compressor.block(headers));
      assert.deepEqual(Object.fromEntries(read), headers);
    }
    assert.deepEqual(
      [...reader.read(await compressor.block({ StreamType: 'a\0b' }))],
      [['streamtype', 'a,b']],
    );
  });

  it('are refused when they are too large, cut or no zlib', async () => {
    const bomb = await new Compressor().block({ a: 'a'.repeat(5_000_000) });
    assert.ok(bomb.length < 10_000);
    assert.throws(() => new HeaderReader().read(bomb), SpdyError);
    const block = await new Compressor().block({ streamtype: 'error' });
    for (const bad of [
      Buffer.alloc(0),
      Buffer.from('GET / HTTP/1.1'),
      block.subarray(0, 8),
      block.subarray(0, -9),
    ]) {
      assert.throws(() => new HeaderReader().read(bad), SpdyError);
    }
  });

  it('are refused when few bytes are many headers, or ten thousand bytes of one', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`${index}`, '']));
    for (const headers of [many, { a: 'a'.repeat(10_000) }]) {
      const block = await new Compressor().block(headers);
      assert.throws(() => new HeaderReader().read(block), SpdyError);
    }
  });

  it('that are sent hold no headers, and can be read as they come', async () => {
    const inflate = createInflate({ dictionary: headerDictionary() });
    for (const first of [true, false, false]) {
      inflate.write(emptyHeaderBlock(first));
      await once(inflate, 'readable');
      assert.deepEqual(inflate.read(), Buffer.alloc(4));
    }
  });
});
