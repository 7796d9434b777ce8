import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LogFile } from '../../../src/logs/log-file.js';
import { noEngine } from '../../support/cridock-process.js';
import { checkLog } from '../../support/log-check.js';
import { writeCommand, type LineSpec } from '../../support/numbered-lines.js';
import { TestNode } from '../../support/test-node.js';
import { until } from '../../support/until.js';

const DISK_BYTES = 256 * 1024;
const noRoot = process.getuid?.() === 0 ? false : 'needs root, to mount a small disk';

/** A folder that holds no more than DISK_BYTES. */
function mountSmallDisk(): string {
  const disk = mkdtempSync(join(tmpdir(), 'cridock-full-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]);
  return disk;
}

function unmount(disk: string): void {
  execFileSync('umount', [disk]);
  rmdirSync(disk);
}

describe('a log file on a full disk', { skip: noRoot }, () => {
  let disk: string;
  let file: LogFile;
  const problems: (string | undefined)[] = [];
  const stop = new AbortController();
  const record = (number: number): Buffer => Buffer.from(`${number} ${'x'.repeat(1_000)}\n`);

  before(() => {
    disk = mountSmallDisk();
    const onProblem = (problem: string | undefined): void => void problems.push(problem);
    file = new LogFile({ path: join(disk, 'pod', '0.log'), onProblem, signal: stop.signal });
  });
  after(async () => {
    stop.abort();
    await file.close();
    unmount(disk);
  });

  it('stops with an error that is told once, and heals when there is space, also in a new file', async () => {
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(DISK_BYTES - 64 * 1024));
    await file.begin('');
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
});

describe('containers whose logs are on a full disk', { skip: noEngine || noRoot }, () => {
  let disk: string;
  let node: TestNode;

  before(async () => {
    disk = mountSmallDisk();
    node = await TestNode.start();
  });
  after(async () => {
    await node.close();
    unmount(disk);
  });

  const condition = async (): Promise<string | undefined> => {
    const { status } = await node.runtime.Status({});
    return status?.conditions.find(({ type }) => type === 'ContainerLogsReady')?.reason;
  };

  it('are told of in Status, run on and end beside others; their logs are whole once there is space', async () => {
    const spec: LineSpec = {
      ...{ lines: 3_000, streams: ['stdout', 'stderr'], unit: Buffer.from('x'), repeat: 500 },
      ...{ burst: 500, pauseMs: 100 },
    };
    const full = await node.pod({ log_directory: join(disk, 'logs') });
    const [onFullDisk, elsewhere] = await Promise.all([
      node.start(full, { run: writeCommand(spec) }),
      node.start(await node.pod(), { run: writeCommand(spec) }),
    ]);
    await until('the condition', async () => (await condition()) === 'CannotWrite', 20_000);
    for (const { id } of [onFullDisk, elsewhere]) {
      await until('its end', async () => !(await node.engine.inspectContainer(id)).State.Running);
    }
    const beganMs = performance.now();
    for (const { id } of [onFullDisk, elsewhere]) {
      assert.equal((await node.ended(id)).exit_code, 0);
    }
    assert.ok(performance.now() - beganMs < 8_000, 'nobody waits for the log that cannot be written');
    assert.deepEqual(checkLog([(await node.status(elsewhere.id)).log_path], spec), []);
    const told = node.cridock
      .log()
      .split('\n')
      .filter((line) => line.includes('ENOSPC'));
    assert.equal(told.length, 1, 'told once');
    assert.match(told[0] ?? '', new RegExp(`level=error .*containerId=${onFullDisk.id}`));
    assert.doesNotMatch(node.cridock.log(), /MaxListenersExceededWarning/);

    execFileSync('mount', ['-o', 'remount,size=16m', disk]);
    await until('the condition to be gone', async () => (await condition()) === '', 20_000);
    const { log_path: log } = await node.status(onFullDisk.id);
    await until('the whole log', () => checkLog([log], spec).length === 0, 20_000);
  });
});
