import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { Code } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import type { CriCallOptions } from '../../support/cri-client.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { processesWith } from '../../support/host-processes.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';
import { until } from '../../support/until.js';

const MIB = 1024 * 1024;

describe('ExecSync', { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  let cridock: CridockProcess;
  let pod: MadePod;
  let containerId = '';
  let sleeps = 0;

  const exec = (cmd: string[], timeout = 0, options: CriCallOptions = {}) =>
    cridock.client.runtime.ExecSync({ container_id: containerId, cmd, timeout }, options);
  const shell = (script: string, timeout = 0, options: CriCallOptions = {}) =>
    exec(['sh', '-c', script], timeout, options);
  /** A number of seconds that no other process sleeps. */
  const uniqueSleep = () => `sleep ${700_000 + process.pid}${(sleeps += 1)}`;

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=info'] });
    const spec = { name: 'exec-sync', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
    pod = await makePod(cridock.client, spec);
    containerId = pod.containerIds[0] ?? '';
  });
  after(async () => {
    await removePod(cridock.client, pod);
    await cridock.stop();
    engine.close();
  });

  it('answers both outputs, byte for byte, and the exit code', async () => {
    const { stdout, stderr, exit_code: code } = await shell("printf 'a\\000\\377'; echo oops >&2; exit 7");
    assert.deepEqual([...stdout], [97, 0, 255]);
    assert.equal(stderr.toString(), 'oops\n');
    assert.equal(code, 7);
    assert.equal((await exec(['true'])).exit_code, 0);
    assert.equal((await shell('exit 127')).exit_code, 127);
    assert.equal((await shell('kill -9 $$')).exit_code, 137);
  });

  it('tells a command that cannot be started from one that fails', async () => {
    await assert.rejects(exec(['/no/such/program']), {
      code: Code.UNKNOWN,
      details: /no such file or directory/,
    });
  });

  it('keeps what fits a message of 16 MiB and lets the command finish', async () => {
    const maxBytes = 16 * MIB - 64;
    const written = async (outBytes: number, errBytes: number): Promise<number[]> => {
      const script = `head -c ${outBytes} /dev/zero; head -c ${errBytes} /dev/zero >&2; exit 3`;
      const { stdout, stderr, exit_code: code } = await shell(script);
      assert.equal(code, 3);
      return [stdout.length, stderr.length];
    };
    assert.deepEqual(await written(20_000_000, 17_000_000), [maxBytes / 2, maxBytes / 2]);
    assert.deepEqual(await written(20_000_000, 0), [maxBytes, 0]);
    assert.deepEqual(await written(16 * MIB, 1000), [maxBytes - 1000, 1000]);
    assert.deepEqual(await written(1000, 16 * MIB), [1000, maxBytes - 1000]);
    assert.deepEqual(await written(15 * MIB, 1000), [15 * MIB, 1000]);
  });

  it('does not wait for background children that hold the output', async () => {
    const startMs = performance.now();
    const { stdout } = await shell('sleep 30 & echo done');
    assert.equal(stdout.toString(), 'done\n');
    assert.ok(performance.now() - startMs < 10_000);
  });

  it('kills the whole tree at the timeout', async () => {
    const sleep = uniqueSleep();
    // A child, an orphan in the same session, and a child with a session of its own.
    const script = `(${sleep}1 &) ; setsid ${sleep}2 & ${sleep}3 & trap '' TERM HUP; ${sleep}4`;
    const running = shell(script, 12);
    running.catch(() => undefined);
    await until(
      'all four',
      () => processesWith(sleep).filter((line) => line.startsWith('sleep')).length === 4,
      11_000,
    );
    await assert.rejects(running, { code: Code.DEADLINE_EXCEEDED });
    assert.deepEqual(processesWith(sleep), []);
    assert.equal((await exec(['true'])).exit_code, 0);
  });

  it('kills the command when the caller gives up', async () => {
    const sleep = uniqueSleep();
    const abort = new AbortController();
    const running = shell(sleep, 100, { signal: abort.signal });
    running.catch(() => undefined);
    await until('it runs', () => processesWith(sleep).length > 0);
    abort.abort();
    await assert.rejects(running, { code: Code.CANCELLED });
    await until('it is killed', () => processesWith(sleep).length === 0);
    await assert.rejects(shell(sleep, 0, { timeoutMs: 300 }), { code: Code.DEADLINE_EXCEEDED });
    await until('it is killed', () => processesWith(sleep).length === 0);
  });

  it('ends with the container', async () => {
    const spec = { name: 'exec-gone', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
    const other = await makePod(cridock.client, spec);
    const id = other.containerIds[0] ?? '';
    const cmd = ['sh', '-c', uniqueSleep()];
    const running = cridock.client.runtime.ExecSync({ container_id: id, cmd });
    const ended = running.then(
      ({ exit_code: code }) => code,
      (error: unknown) => (error as { code: number }).code,
    );
    await cridock.client.runtime.StopContainer({ container_id: id, timeout: 0 });
    assert.ok([137, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.UNKNOWN].includes(await ended));
    await assert.rejects(cridock.client.runtime.ExecSync({ container_id: id, cmd }), {
      code: Code.FAILED_PRECONDITION,
    });
    await removePod(cridock.client, other);
  });

  it('runs 40 at a time', async () => {
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, index) => shell(`echo ${index}; exit ${index}`)),
    );
    assert.deepEqual(
      replies.map(({ stdout, exit_code: code }) => `${stdout.toString().trim()} ${code}`),
      replies.map((_, index) => `${index} ${index}`),
    );
  });
});
