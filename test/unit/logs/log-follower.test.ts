import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { responseError } from '../../../src/docker/errors.js';
import { LogFollower } from '../../../src/logs/log-follower.js';
import { deferred } from '../../../src/util/deferred.js';
import { silentLogger } from '../../../src/util/log.js';
import { FakeEngine } from '../../support/fake-engine.js';
import { until } from '../../support/until.js';

/** Which readings of a log the Engine is asked for from now on. */
function readingsOf(engine: FakeEngine): string[] {
  const reads: string[] = [];
  const readLogs = engine.readLogs.bind(engine);
  engine.readLogs = (of, options) => {
    reads.push(options.follow ? 'followed' : 'to the end');
    return readLogs(of, options);
  };
  return reads;
}

describe('LogFollower', () => {
  let engine: FakeEngine;
  let id: string;
  let path: string;
  let now: number;

  beforeEach(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cridock-logs-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    engine = new FakeEngine();
    engine.addImage('busybox');
    id = await engine.createContainer('c', {
      Image: 'busybox',
      HostConfig: { LogConfig: { Type: 'local', Config: {} } },
    });
    await engine.startContainer(id);
    path = join(directory, 'logs', '0.log');
    now = Date.now() + 1_000;
  });

  const time = (offsetMs: number): string => `${new Date(now + offsetMs).toISOString().slice(0, -1)}000000Z`;
  const write = (text: string, offsetMs: number, stream: 'stdout' | 'stderr' = 'stdout'): void =>
    engine.logs.write(id, stream, text, time(offsetMs));
  const follow = (t: TestContext): LogFollower => {
    const createdAt = '2020-01-01T00:00:00Z';
    const follower = new LogFollower(engine, { id, path, tty: false, createdAt }, silentLogger);
    t.after(() => follower.stop());
    return follower;
  };
  /** Stream, tag and text of each record in these files. */
  const logged = (...files: string[]): string[] =>
    files
      .flatMap((file) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []))
      .filter((line) => line !== '')
      .map((line) => line.slice(31));
  const untilLogged = (count: number) => until(`${count} lines`, () => logged(path).length === count);

  it('writes what is there and what comes, and ends with the container', async (t) => {
    write('a\n', 0);
    const follower = follow(t);
    await untilLogged(1);
    write('b\n', 1, 'stderr');
    write('no end', 2);
    engine.exit(id, 0);
    await follower.done;
    assert.deepEqual(logged(path), ['stdout F a', 'stderr F b', 'stdout P no end']);
  });

  it('reads what a followed log may have missed before the Engine tells of the end, and then nothing more', async (t) => {
    const cleared = deferred();
    const reads = readingsOf(engine);
    write('a\n', 0);
    const follower = follow(t);
    await untilLogged(1);
    const inspect = engine.inspectContainer.bind(engine);
    engine.inspectContainer = async (of) => {
      await cleared.promise; // as while the Engine clears up
      return inspect(of);
    };
    engine.exit(id, 0);
    await until('both readings', () => reads.length === 2);
    cleared.resolve();
    const ended = await inspect(id);
    // With a real Engine a log ends later than its container.
    const finishedAt = new Date(Date.parse(ended.State.FinishedAt) - 2).toISOString();
    follower.noteEnd({ ...ended, State: { ...ended.State, FinishedAt: finishedAt } });
    await follower.done;
    assert.deepEqual(reads, ['followed', 'to the end']);
    assert.deepEqual(logged(path), ['stdout F a']);
  });

  it('reads again what was written after a connection was lost, however soon the container ends', async (t) => {
    write('a\n', 0);
    const lost = new AbortController();
    const readLogs = engine.readLogs.bind(engine);
    engine.readLogs = async (of, options) => {
      if (!options.follow || lost.signal.aborted) return readLogs(of, options);
      const until = AbortSignal.any([lost.signal, ...(options.signal ? [options.signal] : [])]);
      await readLogs(of, { ...options, signal: until }).catch(() => undefined); // looks like an end
    };
    const follower = follow(t);
    await untilLogged(1);
    const reads = readingsOf(engine);
    lost.abort();
    await until('the reading once more', () => reads.length === 1);
    await delay(2); // FinishedAt has milliseconds here
    write('b\n', 1);
    engine.exit(id, 0);
    follower.noteEnd(await engine.inspectContainer(id));
    await follower.done;
    assert.deepEqual(logged(path), ['stdout F a', 'stdout F b']);
  });

  it('goes on where the file ends: equal lines of one time, two streams, parts', async (t) => {
    const all: [string, number, ('stdout' | 'stderr')?][] = [
      ...([
        ['same\n', 5],
        ['same\n', 5],
        ['same\n', 5],
        ['err\n', 4, 'stderr'],
        ['same\n', 5],
      ] as [string, number][]),
      ...([
        ['part', 6],
        ['err\n', 7, 'stderr'],
        ['part', 6],
        ['part', 6],
        ['end\n', 6],
        ['last\n', 8],
      ] as [string, number][]),
    ];
    for (const message of all) write(...message);
    engine.exit(id, 0);
    await follow(t).done;
    const whole = readFileSync(path, 'utf8');
    assert.equal(logged(path).length, all.length);
    // As if killed at each byte: whatever stands there, the same comes out.
    for (let bytes = 0; bytes < whole.length; bytes += 1) {
      writeFileSync(path, whole.slice(0, bytes));
      await follow(t).done;
      assert.equal(readFileSync(path, 'utf8'), whole, `cut after ${bytes} bytes`);
    }
  });

  it('goes on in the log of an ended container that is longer than what is looked at first', async (t) => {
    const count = 250;
    for (let index = 0; index < count; index += 1) write(index % 3 === 0 ? 'part' : `${index}\n`, index);
    write('part', count); // many equal ones of one line
    for (let index = 0; index < 150; index += 1) write('part', count);
    write('end\n', count);
    engine.exit(id, 0);
    await follow(t).done;
    const whole = readFileSync(path, 'utf8');
    const lines = whole.split('\n');
    assert.equal(lines.length - 1, count + 152);
    for (const kept of [lines.length - 1, lines.length - 2, 398, 320, 252, 251, 250, 249, 160, 10, 1, 0]) {
      writeFileSync(
        path,
        lines
          .slice(0, kept)
          .map((line) => `${line}\n`)
          .join(''),
      );
      await follow(t).done;
      assert.equal(readFileSync(path, 'utf8'), whole, `${kept} lines were there`);
    }
  });

  it('waits a while for what the journal tells only after the end', async (t) => {
    const hostConfig = { LogConfig: { Type: 'journald', Config: {} } };
    id = await engine.createContainer('j', { Image: 'busybox', HostConfig: hostConfig });
    await engine.startContainer(id);
    write('a\n', 0);
    engine.exit(id, 0);
    const follower = follow(t);
    await untilLogged(1);
    write('b\n', 1);
    await untilLogged(2);
    await follower.done;
    assert.deepEqual(logged(path), ['stdout F a', 'stdout F b']);
  });

  it('finds its place across rotated files, also empty ones', async (t) => {
    for (let index = 0; index < 5; index += 1) write(`${index}\n`, 5);
    engine.exit(id, 0);
    await follow(t).done;
    const whole = readFileSync(path, 'utf8');
    const firstTwo = whole.split('\n').slice(0, 2).join('\n').length + 1;
    writeFileSync(`${path}.20260101-000000`, whole.slice(0, firstTwo));
    writeFileSync(`${path}.20260101-000001`, '');
    writeFileSync(path, '');
    await follow(t).done;
    assert.equal(readFileSync(`${path}.20260101-000000`, 'utf8') + readFileSync(path, 'utf8'), whole);
  });

  it('writes to a new file after reopen, nothing lost or doubled', async (t) => {
    const follower = follow(t);
    write('a\n', 0);
    await untilLogged(1);
    renameSync(path, `${path}.1`);
    write('b\n', 1);
    await until('b in the old file', () => logged(`${path}.1`).length === 2);
    await follower.reopen();
    assert.ok(existsSync(path));
    write('c\n', 2);
    engine.exit(id, 0);
    await follower.done;
    assert.deepEqual(logged(`${path}.1`, path), ['stdout F a', 'stdout F b', 'stdout F c']);
  });

  it('finds out when its file was replaced: the kubelet renames the old one back after an error', async (t) => {
    const follower = follow(t);
    write('a\n', 0);
    await untilLogged(1);
    renameSync(path, `${path}.1`);
    await follower.reopen();
    write('b\n', 1);
    await untilLogged(1);
    renameSync(`${path}.1`, path);
    write('c\n', 2);
    engine.exit(id, 0);
    await follower.done;
    assert.deepEqual(logged(path), ['stdout F a', 'stdout F b', 'stdout F c']);
  });

  it('loses nothing when its file was replaced and the next reopening comes before it has found out', async (t) => {
    const follower = follow(t);
    write('a\n', 0);
    await untilLogged(1);
    renameSync(path, `${path}.1`);
    await follower.reopen();
    renameSync(`${path}.1`, path);
    write('b\n', 1); // to the file that was replaced
    await delay(200);
    renameSync(path, `${path}.2`);
    await follower.reopen();
    write('c\n', 2);
    engine.exit(id, 0);
    await follower.done;
    assert.deepEqual(logged(`${path}.2`, path), ['stdout F a', 'stdout F b', 'stdout F c']);
  });

  it('replaces a torn line that the Engine no longer has', async (t) => {
    write('a\n', 0);
    write('b\n', 1);
    engine.exit(id, 0);
    await follow(t).done;
    truncateSync(path, readFileSync(path).length - 2);
    engine.logs.drop(id, 2);
    write('c\n', 100);
    await follow(t).done;
    assert.deepEqual(logged(path), ['stdout F a', 'stdout F c']);
  });

  it('goes on with what is left when the Engine has dropped messages meanwhile', async (t) => {
    write('a\n', 0);
    write('b\n', 1);
    engine.exit(id, 0);
    await follow(t).done;
    engine.logs.drop(id, 2);
    write('d\n', 100);
    await follow(t).done;
    assert.deepEqual(logged(path), ['stdout F a', 'stdout F b', 'stdout F d']);
  });

  it('passes over the log of an earlier container at its path', async (t) => {
    write('a\n', 0);
    engine.exit(id, 0);
    await follow(t).done;
    appendFileSync(path, '');
    const foreign = '2019-01-01T00:00:00.000000000Z stdout F foreign\n';
    writeFileSync(path, foreign);
    await follow(t).done;
    assert.deepEqual(logged(path), ['stdout F foreign', 'stdout F a']);
  });

  it('tells while its folder cannot be made, and no longer when it can, also when nothing is written', async (t) => {
    const parent = dirname(dirname(path));
    writeFileSync(join(parent, 'logs'), 'a file where the folder should be');
    const follower = follow(t);
    await until('the problem', () => follower.problem?.reason === 'CannotWrite');
    rmSync(join(parent, 'logs'));
    await until('it to be solved', () => follower.problem === undefined);
  });

  it('waits for an Engine that is away, and goes on', async (t) => {
    const follower = follow(t);
    write('a\n', 0);
    await untilLogged(1);
    engine.down = true;
    engine.logs.ended(id);
    engine.down = false;
    write('b\n', 1);
    engine.exit(id, 0);
    await follower.done;
    assert.deepEqual(logged(path), ['stdout F a', 'stdout F b']);
  });

  describe('whose container is being removed', () => {
    const message = 'can not get logs from container which is dead or marked for removal';
    /** Has the Engine refuse the log, and tell of each refusal, until what it answers is called. */
    const refuse = (onRefusal: () => void): (() => void) => {
      const readLogs = engine.readLogs.bind(engine);
      engine.readLogs = () => {
        onRefusal();
        throw responseError(409, JSON.stringify({ message }));
      };
      return () => (engine.readLogs = readLogs);
    };

    it('tells of no problem', async (t) => {
      const refused = deferred();
      const end = refuse(() => refused.resolve());
      const follower = follow(t);
      await refused.promise;
      end();
      await engine.removeContainer(id);
      await follower.done;
      assert.equal(follower.problem, undefined);
    });

    it('tells when that has lasted for more than a minute, until the log can be read again', async (t) => {
      const times = [0, 60_000, 60_001];
      let nowMs = 0;
      const told: unknown[] = [];
      const afterEach = deferred();
      const end = refuse(() => {
        told.push(follower.problem);
        if (times.length === 0) afterEach.resolve();
        nowMs = times.shift() ?? nowMs;
      });
      t.mock.method(performance, 'now', () => nowMs);
      const follower = follow(t);
      await afterEach.promise;
      assert.deepEqual(told.slice(1, 4), [undefined, undefined, { reason: 'CannotRead', message }]);
      write('a\n', 0);
      end();
      await untilLogged(1);
      assert.equal(follower.problem, undefined);
    });
  });
});
