import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogMessage } from '../../../src/docker/engine.js';
import { formatRecords, isPart, isRecord, isYounger, timeAndStream } from '../../../src/logs/log-record.js';

const TIME = '2026-01-02T03:04:05.000000001Z';

describe('log records', () => {
  const message = (
    text: string | Buffer,
    stream: LogMessage['stream'] = 'stdout',
    time = TIME,
  ): LogMessage => ({
    stream,
    bytes: Buffer.concat([Buffer.from(`${time} `), Buffer.from(text)]),
  });

  it('are lines of time, stream, tag and text', () => {
    const records = formatRecords([
      message('one\n'),
      message('\n', 'stderr'),
      message('part'),
      message(' x \n'),
    ]);
    assert.equal(
      records.toString(),
      `${TIME} stdout F one\n${TIME} stderr F \n${TIME} stdout P part\n${TIME} stdout F  x \n`,
    );
  });

  it('keep bytes as they are', () => {
    const bytes = Buffer.from([0, 255, 254, 13, 128, 10]);
    assert.deepEqual(formatRecords([message(bytes)]).subarray(40), bytes);
  });

  it('are known again, and told from others', () => {
    const record = formatRecords([message('one\n')]);
    assert.ok(isRecord(message('one\n'), record));
    assert.ok(!isRecord(message('two\n'), record));
    assert.ok(!isRecord(message('one'), record));
    assert.ok(!isRecord(message('one\n', 'stderr'), record));
    assert.ok(!isRecord(message('one\n', 'stdout', TIME.replace('1Z', '2Z')), record));
    assert.ok(isYounger(message('x', 'stderr', TIME.replace('1Z', '2Z')), record));
    assert.ok(!isYounger(message('x'), record));
  });

  it('tell their time and stream; other lines tell nothing', () => {
    assert.equal(timeAndStream(formatRecords([message('x', 'stderr')])), `${TIME} stderr`);
    assert.equal(
      timeAndStream(Buffer.from('{"log":"x\\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}\n')),
      undefined,
    );
    assert.equal(timeAndStream(Buffer.from(`${TIME} stdout`)), undefined);
    assert.ok(isPart(formatRecords([message('x')])));
    assert.ok(!isPart(formatRecords([message('x\n')])));
  });
});
