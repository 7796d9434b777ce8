import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { createLogger, isJournal } from '../../../src/observability/logger.js';
import type { LoggerOptions } from '../../../src/observability/logger.js';

function logTo(options: Omit<LoggerOptions, 'stream'>) {
  const stream = new PassThrough({ encoding: 'utf8' });
  const log = createLogger({ ...options, stream });
  const lines = (): string[] => {
    const written: unknown = stream.read();
    return typeof written === 'string' ? written.trimEnd().split('\n') : [];
  };
  return { log, lines, stream };
}

describe('createLogger', () => {
  it('writes text as cri-dockerd does, one line each', () => {
    const { log, lines } = logTo({ level: 'info', format: 'text' });
    log.info('listening', {
      endpoint: 'unix:///run/x.sock',
      note: 'two\nlines "quoted"',
      list: ['a'],
      nothing: undefined,
    });
    const [line, ...rest] = lines();
    assert.match(
      line ?? '',
      /^time="\d{4}-\d\d-\d\dT[\d:.]+Z" level=info msg="listening" endpoint=unix:\/\/\/run\/x\.sock note="two\\nlines \\"quoted\\"" list="\[\\"a\\"\]" nothing=""$/,
    );
    assert.deepEqual(rest, []);
  });

  it("begins lines with the journal's priorities where they go there", () => {
    const { log, lines } = logTo({ level: 'debug', format: 'text', toJournal: true });
    log.error('a');
    log.warn('b');
    log.info('c');
    log.debug('d');
    assert.deepEqual(
      lines().map((line) => line.slice(0, 8)),
      ['<3>time=', '<4>time=', '<6>time=', '<7>time='],
    );
  });

  it('knows the journal by the device and inode that systemd names', () => {
    const { dev, ino } = fstatSync(2);
    assert.ok(isJournal(`${dev}:${ino}`));
    assert.ok(!isJournal(`${dev}:${ino + 1}`), 'stderr was led elsewhere');
    assert.ok(!isJournal(undefined));
  });

  it('writes JSON, with the fields of parents', () => {
    const { log, lines } = logTo({ level: 'info', format: 'json' });
    log.child({ rpc: 'Version' }).child({ id: 'x' }).warn('call failed', { durationMs: 1.5 });
    const entry: unknown = JSON.parse(lines()[0] ?? '');
    assert.ok(typeof entry === 'object' && entry !== null && 'time' in entry);
    const { time, ...rest } = entry;
    assert.match(String(time), /^\d{4}-/);
    assert.deepEqual(rest, { level: 'warn', msg: 'call failed', rpc: 'Version', id: 'x', durationMs: 1.5 });
  });

  it('redacts', () => {
    const { log, lines } = logTo({ level: 'info', format: 'text' });
    log.child({ token: 'hush' }).error('failed', { auth: { password: 'hush' }, error: new Error('why') });
    const text = lines().join();
    assert.ok(text.includes('why'));
    assert.ok(!text.includes('hush'));
  });

  it('keeps to its level, which can change', () => {
    const { log, lines } = logTo({ level: 'warn', format: 'json' });
    const child = log.child({});
    const all = (): void => {
      child.error('e');
      child.warn('w');
      child.info('i');
      child.debug('d');
    };
    all();
    assert.equal(lines().length, 2);
    log.setLevel('debug');
    all();
    assert.equal(lines().length, 4);
    log.setLevel('error');
    all();
    assert.equal(lines().length, 1);
  });

  it('outlives the reader of its stream', () => {
    const { log, stream } = logTo({ level: 'info', format: 'text' });
    stream.emit('error', Object.assign(new Error('gone'), { code: 'EPIPE' }));
    log.info('still here');
  });
});
