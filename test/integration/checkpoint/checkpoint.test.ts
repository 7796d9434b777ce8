import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { noEngine } from '../../support/cridock-process.js';
import { slowCriu, testCriu, withCriu } from '../../support/criu.js';
import { refusal, TestNode, type TestContainer, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

const criu = noEngine === false ? testCriu() : { missing: noEngine };
const noCriu = 'missing' in criu && criu.missing;
const folder = 'folder' in criu ? criu.folder : '';

/** 50 before a release: CRIDOCK_TEST_CHECKPOINTS. */
const CHECKPOINTS = Number(process.env['CRIDOCK_TEST_CHECKPOINTS'] ?? 6);

const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i; echo $i >/next; mv /next /count; sleep 0.1; done';
/** Enough for its checkpoint to take a while. */
const MEMORY_BYTES = 64 * 2 ** 20;
const HOLDS_MEMORY = `tail -c ${MEMORY_BYTES} /dev/zero & ${COUNTER}`;

describe('CheckpointContainer', { skip: noCriu }, () => {
  let node: TestNode;
  let pod: TestPod;
  let archives: string;

  before(async () => {
    node = await TestNode.start([], withCriu(folder));
    pod = await node.pod();
    archives = join(node.cridock.directory, 'archives');
    mkdirSync(archives);
  });
  after(() => node.close());

  const checkpoint = async (id: string, location: string, timeout = 0): Promise<void> => {
    await node.runtime.CheckpointContainer({ container_id: id, location, timeout: String(timeout) });
  };
  const logOf = async (id: string): Promise<number[]> => {
    const text = await readFile((await node.status(id)).log_path, 'utf8');
    return text
      .split('\n')
      .filter((line) => line.includes(' F '))
      .map((line) => Number(line.split(' F ')[1]));
  };
  /** A container whose checkpoint takes a while. */
  const large = async (): Promise<TestContainer> => {
    const container = await node.start(pod, { run: HOLDS_MEMORY });
    await node.holdsMemory(container.id, MEMORY_BYTES);
    return container;
  };
  const goesOn = async ({ id }: TestContainer): Promise<void> => {
    const before = (await logOf(id)).at(-1) ?? 0;
    await until('the counter to go on', async () => ((await logOf(id)).at(-1) ?? 0) > before + 2);
  };
  /** What cridock keeps of checkpoints that are under way. */
  const left = (): string[] => {
    const work = join(node.cridock.directory, 'root', 'checkpoint-work');
    return [
      ...(existsSync(work) ? readdirSync(work) : []),
      ...readdirSync(archives).filter((name) => name.startsWith('.')),
    ];
  };
  const names = (archive: string): string[] =>
    execFileSync('tar', ['-tf', archive], { encoding: 'utf8' }).trim().split('\n');
  const member = (archive: string, name: string): string =>
    execFileSync('tar', ['-xOf', archive, name], { encoding: 'utf8' });

  it('writes an archive with all that others expect in it, and the container runs on', async () => {
    const container = await node.start(pod, { run: `echo kept >/kept; rm /etc/group; ${COUNTER}` });
    await until('its first lines', async () => (await logOf(container.id)).length > 3);
    const location = join(archives, 'checkpoint-a_b-c.tar');
    await checkpoint(container.id, location);
    assert.equal(statSync(location).mode & 0o777, 0o600);
    const found = names(location);
    for (const name of [
      'config.dump',
      'spec.dump',
      'status.dump',
      'checkpoint/',
      'checkpoint/inventory.img',
    ]) {
      assert.ok(found.includes(name), `${name} in ${found.join(' ')}`);
    }
    for (const name of ['rootfs-diff.tar', 'deleted.files', 'stats-dump', 'dump.log', 'container.log']) {
      assert.ok(found.includes(name), `${name} in ${found.join(' ')}`);
    }
    const config = JSON.parse(member(location, 'config.dump')) as Record<string, unknown>;
    assert.equal(config['id'], container.id);
    const spec = JSON.parse(member(location, 'spec.dump')) as { annotations: Record<string, string> };
    assert.equal(spec.annotations['io.kubernetes.cri.sandbox-namespace'], 'cridock-test');
    assert.equal(spec.annotations['io.kubernetes.cri.sandbox-name'], pod.config.metadata?.name);
    assert.deepEqual(JSON.parse(member(location, 'deleted.files')), ['/etc/group']);
    execFileSync('tar', ['-xf', location, '-C', archives, 'rootfs-diff.tar']);
    const changed = names(join(archives, 'rootfs-diff.tar'));
    assert.ok(changed.includes('./kept') && changed.includes('./count'), changed.join(' '));
    assert.ok(
      !changed.some((name) => name.startsWith('./proc') || name.startsWith('./dev')),
      changed.join(' '),
    );
    await goesOn(container);
    assert.deepEqual(left(), []);
  });

  it(`takes ${CHECKPOINTS} of one container beside probes and logs: nothing is lost, nothing is left`, async (t) => {
    const container = await node.start(pod, { run: COUNTER });
    await until('its file', async () => (await logOf(container.id)).length > 1);
    const end = new AbortController();
    t.after(() => end.abort());
    const failures: string[] = [];
    let probes = 0;
    const probe = async (): Promise<void> => {
      while (!end.signal.aborted) {
        try {
          const request = { container_id: container.id, cmd: ['cat', '/count'], timeout: '0' };
          const { exit_code: code, stdout } = await node.runtime.ExecSync(request);
          probes += 1;
          if (code !== 0 || stdout.length === 0) failures.push(`exit code ${code}, ${stdout.toString()}`);
        } catch (error) {
          failures.push(String(error));
        }
      }
    };
    const probing = [probe(), probe()];
    for (let index = 0; index < CHECKPOINTS; index += 1) {
      await checkpoint(container.id, join(archives, `many-${index}.tar`));
      const before = probes;
      await until('a probe in between', () => probes > before || failures.length > 0);
    }
    end.abort();
    await Promise.all(probing);
    assert.deepEqual(failures, []);
    await goesOn(container);
    const counts = await logOf(container.id);
    assert.deepEqual(
      counts,
      counts.map((_, index) => index + 1),
      'each number once, in order',
    );
    assert.deepEqual(left(), []);
    assert.equal(readdirSync(archives).filter((name) => name.startsWith('many-')).length, CHECKPOINTS);
  });

  it('a timeout in the middle leaves the container running, and no archive', async () => {
    const container = await large();
    const location = join(archives, 'late.tar');
    // Another one goes before it: its turn comes when the second is over, at the earliest.
    const first = checkpoint(container.id, join(archives, 'first.tar'));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 3 }, (_, index) => checkpoint(container.id, `${location}.${index}`, 1)),
    );
    await first;
    for (const [index, { status }] of outcomes.entries()) {
      assert.equal(existsSync(`${location}.${index}`), status === 'fulfilled', status);
    }
    await goesOn(container);
    await until('the work to be taken away', () => left().length === 0);
  });

  it('a caller that goes leaves the container running, and no archive', async () => {
    const container = await large();
    const location = join(archives, 'cancelled.tar');
    const controller = new AbortController();
    const request = { container_id: container.id, location, timeout: '0' };
    const call = node.cridock.client.runtime.CheckpointContainer(request, { signal: controller.signal });
    await until('the work', () => left().length > 0);
    controller.abort();
    assert.equal((await refusal(call)).code, 'CANCELLED');
    await until('the work to be taken away', () => left().length === 0);
    assert.equal(existsSync(location), false);
    await goesOn(container);
  });

  it('a kill of cridock in the middle leaves the container running, and nothing after the next start', async () => {
    const container = await large();
    const location = join(archives, 'killed.tar');
    const call = checkpoint(container.id, location).catch(() => undefined);
    await until('the work', () => left().length > 0);
    await node.cridock.kill9();
    await call;
    await node.cridock.restart();
    await goesOn(container);
    await until('the work to be taken away', () => left().length === 0);
    assert.equal(existsSync(location), false);
    // What was going on by itself is over: the next one is not held up.
    await checkpoint(container.id, location);
    await goesOn(container);
  });

  it('refuses places that are none', async () => {
    const { id } = await node.start(pod, { run: COUNTER });
    symlinkSync('/etc/hostname', join(archives, 'link.tar'));
    const places = [
      '',
      'relative.tar',
      '/',
      `${archives}/../x.tar`,
      `${archives}/`,
      archives,
      '/none/x.tar',
      join(archives, 'link.tar'),
    ];
    for (const place of places) {
      const { code, text } = await refusal(checkpoint(id, place));
      assert.equal(code, 'INVALID_ARGUMENT', place);
      assert.match(text, /^location: /, place);
    }
    assert.equal((await refusal(checkpoint(id, join(archives, 'x.tar'), -1))).code, 'INVALID_ARGUMENT');
    assert.equal((await refusal(checkpoint('f'.repeat(64), join(archives, 'x.tar')))).code, 'NOT_FOUND');
    const ended = await node.start(pod, { run: 'sleep 0.1' }).catch(() => undefined);
    if (ended !== undefined) {
      await node.ended(ended.id);
      assert.equal(
        (await refusal(checkpoint(ended.id, join(archives, 'x.tar')))).code,
        'FAILED_PRECONDITION',
      );
    }
    assert.deepEqual(left(), []);
  });
});

describe('CheckpointContainer, and a kill while criu is at it', { skip: noCriu }, () => {
  /** A container whose checkpoint is begun, by a criu that takes its time. */
  async function begin(t: TestContext) {
    const slow = mkdtempSync(join(tmpdir(), 'cridock-criu-'));
    const { begun, end } = slowCriu(folder, slow);
    const node = await TestNode.start([], withCriu(slow));
    t.after(async () => {
      // That ends a criu which still holds the container.
      rmSync(slow, { recursive: true, force: true, maxRetries: 10 });
      await node.close();
    });
    const { id } = await node.start(await node.pod(), { run: COUNTER });
    const location = join(node.cridock.directory, 'killed.tar');
    const checkpoint = async (): Promise<void> => {
      await node.runtime.CheckpointContainer({ container_id: id, location, timeout: '0' });
    };
    const work = join(node.cridock.directory, 'root', 'checkpoint-work');
    const count = async (): Promise<number> => {
      const request = { container_id: id, cmd: ['cat', '/count'], timeout: '30' };
      return Number((await node.runtime.ExecSync(request)).stdout.toString());
    };
    const call = refusal(checkpoint());
    await until('criu', () => existsSync(begun));
    /** The process that freezes the container, and lets it go on. */
    const killScript = (): void => {
      const [pid = ''] = readFileSync(join(work, readdirSync(work)[0] ?? '', 'process'), 'utf8').split(' ');
      process.kill(Number(pid), 'SIGKILL');
    };
    const letEnd = (): void => writeFileSync(end, '');
    /** Starts cridock again after its kill; what a command prints that is asked for before criu is let end. */
    const countAcrossRestart = async (): Promise<number> => {
      await call;
      await node.cridock.restart();
      assert.equal(readdirSync(work).length, 1);
      const counting = count();
      letEnd();
      return counting;
    };
    /** The container counts on, and nothing of the checkpoint is left. */
    const goesOn = async (before: number): Promise<void> => {
      await until('the counter to go on', async () => (await count()) > before);
      assert.deepEqual(readdirSync(work), []);
    };
    return { node, call, checkpoint, count, location, killScript, letEnd, countAcrossRestart, goesOn };
  }

  it('of cridock: the container goes on when criu is done, and gets no command and no other checkpoint before', async (t) => {
    const { node, checkpoint, countAcrossRestart, goesOn } = await begin(t);
    await node.cridock.kill9();
    const before = await countAcrossRestart();
    await checkpoint();
    await goesOn(before);
  });

  it('of cridock and of what lets the container go on: it goes on all the same', async (t) => {
    const { node, killScript, countAcrossRestart, goesOn } = await begin(t);
    killScript();
    await node.cridock.kill9();
    await goesOn(await countAcrossRestart());
  });

  it('of what lets the container go on: it goes on all the same, and the caller is told', async (t) => {
    const { call, checkpoint, count, location, killScript, letEnd, goesOn } = await begin(t);
    killScript();
    letEnd();
    const { code, text } = await call;
    assert.equal(code, 'INTERNAL', text);
    assert.equal(existsSync(location), false);
    await goesOn(await count());
    await checkpoint();
  });
});

describe('CheckpointContainer on a node without a usable criu', { skip: noEngine }, () => {
  it('is UNIMPLEMENTED, and says why', async (t) => {
    const node = await TestNode.start([], { PATH: '/usr/bin:/bin' });
    t.after(() => node.close());
    const { id } = await node.start(await node.pod());
    const request = { container_id: id, location: join(node.cridock.directory, 'x.tar'), timeout: '0' };
    const { code, text } = await refusal(node.runtime.CheckpointContainer(request));
    assert.equal(code, 'UNIMPLEMENTED');
    assert.match(text, /criu/);
  });
});
