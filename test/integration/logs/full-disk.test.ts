import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LogFile } from '../../../src/logs/log-file.js';
import { until } from '../../support/until.js';

const DISK_BYTES = 256 * 1024;

describe(
  'a full disk',
  { skip: process.getuid?.() === 0 ? false : 'needs root, to mount a small disk' },
  () => {
    const disk = mkdtempSync(join(tmpdir(), 'cridock-full-disk-'));
    const problems: (string | undefined)[] = [];
    const stop = new AbortController();
    const file = new LogFile({
      path: join(disk, 'pod', '0.log'),
      onProblem: (problem) => problems.push(problem),
      signal: stop.signal,
    });
    const record = (number: number): Buffer => Buffer.from(`${number} ${'x'.repeat(1_000)}\n`);

    before(() => execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]));
    after(async () => {
      stop.abort();
      await file.close();
      execFileSync('umount', [disk]);
      rmdirSync(disk);
    });

    it('stops the log with an error that is told once, and the log heals when there is space, also in a new file', async () => {
      const ballast = join(disk, 'ballast');
      writeFileSync(ballast, Buffer.alloc(DISK_BYTES - 64 * 1024));
      await file.begin();
      const numbers = Array.from({ length: 200 }, (_, index) => index);
      for (const number of numbers) void file.append(record(number));
      await until('the disk to be full', () => problems.length > 0);
      const path = join(disk, 'pod', '0.log');
      assert.match(problems[0] ?? '', /ENOSPC/);
      assert.equal(readFileSync(path).at(-1), 0x0a, 'whole records only');
      const cut = statSync(path).size;
      await file.reopen();
      rmSync(ballast);
      await file.flush();
      assert.deepEqual(problems.slice(1), [undefined]);
      assert.ok(cut < 64 * 1024);
      assert.ok(readFileSync(path).equals(Buffer.concat(numbers.map(record))));
    });
  },
);
