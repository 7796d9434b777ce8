import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { checkLog } from '../../support/log-check.js';
import { lineText, writeCommand, type LineSpec } from '../../support/numbered-lines.js';

const spec: LineSpec = {
  lines: 20,
  streams: ['stdout', 'stderr'],
  unit: Buffer.from([1, 128, 255, 195, 40]),
  repeat: 3,
  burst: 10,
  pauseMs: 1,
};

describe('checkLog', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cridock-log-check-'));
  after(() => rmSync(directory, { recursive: true }));
  const whole = [...Array(spec.lines).keys()].flatMap((index) => [
    record('stdout', lineText(spec, index + 1)),
    record('stderr', lineText(spec, index + 1)),
  ]);

  /** What the checker says of these records, cut into two files. */
  const faultsOf = (records: Buffer[], cutAt = 7): string[] => {
    const files = [join(directory, 'a'), join(directory, 'b')];
    writeFileSync(join(directory, 'a'), Buffer.concat(records.slice(0, cutAt)));
    writeFileSync(join(directory, 'b'), Buffer.concat(records.slice(cutAt)));
    return checkLog(files, spec).map(({ kind, stream, line }) => `${kind} ${stream} ${line}`);
  };

  it('has nothing to say of a log that is whole, however it is cut into files and parts', () => {
    assert.deepEqual(faultsOf(whole), []);
    const [first = Buffer.alloc(0), ...rest] = whole;
    const text = first.subarray(40, -1);
    const parts = [record('stdout', text.subarray(0, 5), 'P'), record('stdout', text.subarray(5))];
    assert.deepEqual(faultsOf([...parts, ...rest], 1), []);
  });

  it('finds a line that is missing, also the first and the last', () => {
    assert.deepEqual(faultsOf(whole.toSpliced(20, 1)), ['lost stdout 11']);
    assert.deepEqual(faultsOf(whole.toSpliced(0, 1)), ['lost stdout 1']);
    assert.deepEqual(faultsOf(whole.slice(0, -1)), ['lost stderr 20']);
  });

  it('finds a line that comes twice, at once or later', () => {
    assert.deepEqual(faultsOf(whole.toSpliced(20, 0, at(whole, 20))), ['doubled stdout 11']);
    assert.deepEqual(faultsOf([...whole, at(whole, 3)]), ['doubled stderr 2']);
  });

  it('finds lines that changed places on their stream', () => {
    const swapped = whole.with(10, at(whole, 12)).with(12, at(whole, 10));
    assert.deepEqual(faultsOf(swapped), ['lost stdout 6', 'doubled stdout 6']);
  });

  it('finds damage: another byte, two lines in one, what is no record, and a record without its end', () => {
    const text = Buffer.from(lineText(spec, 5));
    text[4] = 0x7f;
    assert.deepEqual(faultsOf(whole.with(8, record('stdout', text))), ['damaged stdout 5']);
    const glued = record('stdout', Buffer.concat([lineText(spec, 5), lineText(spec, 5)]));
    assert.deepEqual(faultsOf(whole.with(8, glued)), ['damaged stdout 5']);
    assert.deepEqual(faultsOf(whole.toSpliced(8, 0, Buffer.from('{"log":"x"}\n'))), ['damaged  0']);
    assert.deepEqual(faultsOf(whole.with(39, at(whole, 39).subarray(0, -1))), [
      'damaged stderr 0',
      'lost stderr 20',
    ]);
  });

  it('tells a line without its beginning from other damage', () => {
    assert.deepEqual(faultsOf(whole.with(8, record('stdout', lineText(spec, 5).subarray(3)))), [
      'cut stdout 5',
    ]);
    assert.deepEqual(faultsOf(whole.with(8, record('stdout', lineText(spec, 5).subarray(0, -3)))), [
      'damaged stdout 5',
    ]);
  });

  it('knows exactly what the shell command writes', () => {
    const oneStream: LineSpec = { ...spec, streams: ['stdout'] };
    const written = execFileSync('busybox', ['sh', '-c', writeCommand(oneStream)]);
    const lines = [...Array(spec.lines).keys()].map((index) => lineText(spec, index + 1));
    const expected = lines.flatMap((line, index) => (index === 0 ? [line] : [Buffer.from('\n'), line]));
    assert.ok(written.equals(Buffer.concat(expected)));
  });
});

function record(stream: string, text: Buffer, tag = 'F'): Buffer {
  const header = Buffer.from(`2026-01-02T03:04:05.000000001Z ${stream} ${tag} `);
  return Buffer.concat([header, text, Buffer.from('\n')]);
}

function at(records: Buffer[], index: number): Buffer {
  const found = records[index];
  assert.ok(found);
  return found;
}
