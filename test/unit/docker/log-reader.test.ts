import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LogReader } from '../../../src/docker/log-reader.js';
import { Code, CriError } from '../../../src/util/cri-error.js';

const TIME = '2026-01-02T03:04:05.000000001Z ';

describe('LogReader', () => {
  /** What it makes of bytes that arrive so many at a time. */
  const read = (tty: boolean, bytes: Buffer, chunkBytes: number): string[] => {
    const reader = new LogReader(tty);
    const messages = [];
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      messages.push(...reader.push(bytes.subarray(at, at + chunkBytes)));
    }
    const rest = reader.end();
    if (rest) messages.push(rest);
    return messages.map(({ stream, bytes: text }) => `${stream} ${text.toString('latin1')}`);
  };
  const sizes = [1, 7, 100, 16_384, 1_000_000];
  const long = 'x'.repeat(16_384);

  it('gives frames as messages, wherever the transport cuts them', () => {
    const bytes = Buffer.concat([
      frame(1, `${TIME}a\n`),
      frame(2, `${TIME}\n`),
      frame(1, TIME + long),
      frame(1, `${TIME}end`),
    ]);
    const expected = [`stdout ${TIME}a\n`, `stderr ${TIME}\n`, `stdout ${TIME}${long}`, `stdout ${TIME}end`];
    for (const size of sizes) assert.deepEqual(read(false, bytes, size), expected);
  });

  it("finds a terminal's messages by newlines and by their greatest size", () => {
    const texts = ['a\r\n', '\n', long, '\n', long, `${'y'.repeat(16_383)}\n`, 'end'].map(
      (text) => TIME + text,
    );
    for (const size of sizes) {
      assert.deepEqual(
        read(true, Buffer.from(texts.join('')), size),
        texts.map((text) => `stdout ${text}`),
      );
    }
  });

  it('gives no message that was cut off', () => {
    assert.deepEqual(read(false, frame(1, `${TIME}a\n`).subarray(0, -1), 1000), []);
    assert.deepEqual(read(true, Buffer.from(TIME.slice(0, -1)), 1000), []);
  });

  it("throws the Engine's own error, and for what is no log", () => {
    const isUnknown = (words: RegExp) => (error: unknown) =>
      error instanceof CriError && error.code === Code.UNKNOWN && words.test(error.message);
    assert.throws(
      () => new LogReader(false).push(frame(3, 'Error grabbing logs: EOF\n')),
      isUnknown(/grabbing logs: EOF$/),
    );
    assert.throws(() => new LogReader(false).push(frame(9, 'x')), isUnknown(/unknown stream 9/));
    assert.throws(
      () => new LogReader(true).push(Buffer.from('Error grabbing logs: EOF\n')),
      isUnknown(/without a time/),
    );
  });
});

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(text.length, 4);
  return Buffer.concat([header, Buffer.from(text, 'latin1')]);
}
