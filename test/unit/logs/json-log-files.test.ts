import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { readJsonLog, type JsonLogOptions } from '../../../src/logs/json-log-files.js';
import { parseJsonLogLine } from '../../../src/logs/json-log-line.js';
import { Code, CriError, hasCode } from '../../../src/util/cri-error.js';
import { until } from '../../support/until.js';

const COUNT = 3;

describe("the Engine's json-file logs", () => {
  let parent: string;
  let path: string;
  let ended: AbortController;
  let read: string[];
  before(() => {
    parent = mkdtempSync(join(tmpdir(), 'cridock-json-log-'));
  });
  after(() => rmSync(parent, { recursive: true }));
  beforeEach(() => {
    path = join(mkdtempSync(join(parent, 'container-')), 'json.log');
    ended = new AbortController();
    read = [];
  });

  const line = (text: string, second = 1): string =>
    `${JSON.stringify({ log: text, stream: 'stdout', time: `2026-01-02T03:04:0${second}.5Z` })}\n`;
  const write = (...lines: string[]): void => appendFileSync(path, lines.join(''));
  /** As Docker does it. */
  const rotate = (): void => {
    for (let age = COUNT - 1; age > 0; age -= 1) {
      const younger = age === 1 ? path : `${path}.${age - 1}`;
      if (existsSync(younger)) renameSync(younger, `${path}.${age}`);
    }
    writeFileSync(path, '');
  };
  const start = (options: Partial<JsonLogOptions> = {}): Promise<boolean> =>
    readJsonLog(
      { path, count: COUNT },
      {
        follow: true,
        signal: new AbortController().signal,
        ended: ended.signal,
        onMessages: (messages) =>
          void read.push(...messages.map(({ bytes }) => bytes.toString('utf8', 31).trimEnd())),
        ...options,
      },
    );
  const untilRead = (last: string) => until(last, () => read.at(-1) === last);

  it('are read from the oldest file on, followed over rotations, and end with the container', async () => {
    write(line('a\n'));
    rotate();
    write(line('b\n'));
    const reading = start();
    await untilRead('b');
    write(line('c\n'));
    rotate();
    write(line('d\n'));
    await untilRead('d');
    write(line('e\n'));
    ended.abort();
    assert.equal(await reading, true);
    assert.deepEqual(read, ['a', 'b', 'c', 'd', 'e']);
  });

  it('miss nothing when they are rotated several times within a moment', async () => {
    write(line('a\n'));
    const reading = start();
    await untilRead('a');
    write(line('b\n'));
    rotate();
    write(line('c\n'));
    rotate();
    write(line('d\n'));
    await untilRead('d');
    ended.abort();
    await reading;
    assert.deepEqual(read, ['a', 'b', 'c', 'd']);
  });

  it('go on with the oldest file that is left for who was too slow', async () => {
    write(line('a\n'));
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const reading = start({
      onMessages: async (messages) => {
        read.push(...messages.map(({ bytes }) => bytes.toString('utf8', 31).trimEnd()));
        await held;
      },
    });
    await untilRead('a');
    for (const text of ['b\n', 'c\n', 'd\n']) {
      rotate();
      write(line(text));
    }
    release();
    await untilRead('d');
    ended.abort();
    await reading;
    assert.deepEqual(read, ['a', 'b', 'c', 'd']);
  });

  it('are read once where nobody follows, without messages from before a time at the beginning', async () => {
    write(line('a\n', 1), line('b\n', 2));
    rotate();
    write(line('c\n', 3), line('d\n', 1));
    const since = `${Date.parse('2026-01-02T03:04:02Z') / 1000}.000000000`;
    assert.equal(await start({ follow: false, since }), false);
    assert.deepEqual(read, ['b', 'c', 'd']);
  });

  it('give no line before it is complete, and leave out what a crash cut', async () => {
    write(line('a\n'), line('b\n').slice(0, 20));
    const reading = start();
    await untilRead('a');
    write(line('b\n').slice(20));
    await untilRead('b');
    write('{"log":"cut', '\n', line('c\n'));
    await untilRead('c');
    ended.abort();
    await reading;
    assert.deepEqual(read, ['a', 'b', 'c']);
  });

  it('end with the reason of the one who gives up, and with UNKNOWN where there are none', async () => {
    write(line('a\n'));
    const stop = new AbortController();
    const reading = start({ signal: stop.signal });
    await untilRead('a');
    stop.abort(new CriError(Code.CANCELLED, 'enough'));
    await assert.rejects(reading, (error) => hasCode(error, Code.CANCELLED));
    rmSync(path);
    await assert.rejects(start(), (error) => hasCode(error, Code.UNKNOWN));
  });

  it('have lines with a time of nine digits, as the Engine tells it', () => {
    const bytesOf = (text: string) => parseJsonLogLine(text)?.bytes.toString();
    const at = (time: string) => bytesOf(JSON.stringify({ log: 'x\n', stream: 'stderr', time }));
    assert.equal(at('2026-01-02T03:04:05Z'), '2026-01-02T03:04:05.000000000Z x\n');
    assert.equal(at('2026-01-02T03:04:05.12Z'), '2026-01-02T03:04:05.120000000Z x\n');
    assert.equal(at('2026-01-02T03:04:05.123456789Z'), '2026-01-02T03:04:05.123456789Z x\n');
    for (const none of [
      '{"log":"x',
      '1',
      'null',
      '{"log":"x","stream":"stdin","time":"2026-01-02T03:04:05Z"}',
    ]) {
      assert.equal(bytesOf(none), undefined);
    }
  });
});
