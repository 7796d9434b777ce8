import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LogFile } from '../../../src/logs/log-file.js';
import { Code, hasCode } from '../../../src/util/cri-error.js';
import { until } from '../../support/until.js';

const TIME = '2026-01-02T03:04:05.000000001Z';
const first = Buffer.from(`${TIME} stdout F first\n`);
const second = Buffer.from(`${TIME} stdout F second\n`);

describe('LogFile', () => {
  let parent: string;
  let path: string;
  before(() => {
    parent = mkdtempSync(join(tmpdir(), 'cridock-log-file-'));
  });
  after(() => rmSync(parent, { recursive: true }));
  beforeEach(() => {
    path = join(mkdtempSync(join(parent, 'pod-')), '0.log');
  });

  const problems: (string | undefined)[] = [];
  const open = (t: TestContext, at: string): { file: LogFile; signal: AbortSignal } => {
    const stop = new AbortController();
    const onProblem = (problem: string | undefined): void => void problems.push(problem);
    const file = new LogFile({ path: at, onProblem, signal: stop.signal });
    t.after(async () => {
      stop.abort();
      await file.close();
    });
    return { file, signal: stop.signal };
  };

  it('completes what a crash cut, and drops it when something else comes', async (t) => {
    writeFileSync(path, Buffer.concat([first, second.subarray(0, 45)]));
    const { file } = open(t, path);
    await file.begin('');
    void file.append(second);
    await file.flush();
    assert.deepEqual(readFileSync(path), Buffer.concat([first, second]));

    writeFileSync(path, first.subarray(0, 45));
    await file.reopen();
    void file.append(second);
    await file.flush();
    assert.deepEqual(readFileSync(path), second);
  });

  it('follows no symbolic link, of the file or of its folder, and writes into no pipe', async (t) => {
    const elsewhere = join(parent, 'elsewhere');
    mkdirSync(elsewhere);
    const target = join(elsewhere, '0.log');
    const refused = async (at: string): Promise<void> => {
      const { file } = open(t, at);
      await assert.rejects(file.begin(''), (error: Error) =>
        error.message.includes(at.replace(/\/0.log$/, '')),
      );
      assert.deepEqual(readdirSync(elsewhere), []);
    };
    symlinkSync(target, path);
    await refused(path);
    const folder = join(dirname(path), 'container');
    symlinkSync(elsewhere, folder);
    await refused(join(folder, '0.log'));
    const pipe = join(dirname(path), 'pipe', '0.log');
    mkdirSync(dirname(pipe));
    execFileSync('mkfifo', [pipe]);
    await refused(pipe);
  });

  it('looks for what was written last in older files, but not behind a link', async (t) => {
    const elsewhere = join(dirname(path), 'elsewhere');
    for (const isLink of [false, true]) {
      writeFileSync(path, '');
      writeFileSync(elsewhere, first);
      if (isLink) symlinkSync(elsewhere, `${path}.1`);
      else renameSync(elsewhere, `${path}.1`);
      const { file } = open(t, path);
      assert.deepEqual((await file.begin(''))?.record, isLink ? undefined : first);
      rmSync(`${path}.1`);
    }
  });

  it('leaves no cut record behind in the old file, nor in a file that nobody renamed', async (t) => {
    for (const rename of [true, false]) {
      writeFileSync(path, Buffer.concat([first, second.subarray(0, 45)]));
      const { file } = open(t, path);
      await file.begin('');
      if (rename) renameSync(path, `${path}.1`);
      await file.reopen();
      void file.append(second);
      await file.flush();
      const files = rename ? [`${path}.1`, path] : [path];
      assert.deepEqual(
        Buffer.concat(files.map((each) => readFileSync(each))),
        Buffer.concat([first, second]),
      );
    }
  });

  it('is not opened again once it is closed; one that was made unasked passes for the new one, once', async (t) => {
    const refused = (error: unknown): boolean => hasCode(error, Code.FAILED_PRECONDITION);
    writeFileSync(path, first);
    for (const unasked of [false, true]) {
      const { file } = open(t, path);
      if (unasked) renameSync(path, `${path}.1`);
      await file.begin('');
      assert.equal(file.madeUnasked, unasked);
      await file.close();
      if (unasked) await file.reopen();
      await assert.rejects(file.reopen(), refused);
    }
  });

  it('has one try at a time under way while the disk is full, however much comes', async (t) => {
    const { file, signal } = open(t, '/dev/full');
    await file.begin('');
    for (let count = 0; count < 5; count += 1) {
      void file.append(first);
      await delay(50); // longer than records are gathered
    }
    await until('a try', () => getEventListeners(signal, 'abort').length > 0);
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /ENOSPC/);
  });
});
