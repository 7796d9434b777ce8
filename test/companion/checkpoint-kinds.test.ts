import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { inUserNamespace, noCompanion } from '../support/companion-node.js';
import { testCriu, withCriu } from '../support/criu.js';
import { TestPlugin } from '../support/nri-plugin.js';
import { refusal, TestNode, type TestContainer } from '../support/test-node.js';
import { until } from '../support/until.js';

const criu = noCompanion === false ? testCriu() : { missing: noCompanion };
const noCriu = 'missing' in criu && criu.missing;
const folder = 'folder' in criu ? criu.folder : '';

/** 500 before a release: CRIDOCK_TEST_CHECKPOINT_MIB. */
const MEMORY_MIB = Number(process.env['CRIDOCK_TEST_CHECKPOINT_MIB'] ?? 64);

const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done';
const HOLDS_MEMORY = `tail -c ${MEMORY_MIB}m /dev/zero | { sleep 1; while :; do sleep 1; done; } & ${COUNTER}`;

describe('checkpoints of containers of all kinds', { skip: noCriu }, () => {
  let node: TestNode;
  let archives: string;
  let work: string;

  before(async () => {
    node = await TestNode.start(['--restore-checkpoints'], withCriu(folder));
    archives = join(node.cridock.directory, 'archives');
    work = join(node.cridock.directory, 'root', 'checkpoint-work');
    mkdirSync(archives);
    mkdirSync(work, { recursive: true });
  });
  after(() => node.close());

  const checkpoint = async (id: string, location: string): Promise<void> => {
    await node.runtime.CheckpointContainer({ container_id: id, location, timeout: '0' });
  };
  const countOf = async (id: string): Promise<number> => {
    const { log_path: path } = await node.status(id);
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return Number(text.trimEnd().split(' F ').at(-1));
  };
  const goesOn = async ({ id }: TestContainer): Promise<void> => {
    const before = await countOf(id);
    await until('the counter to go on', async () => (await countOf(id)) > before + 1);
  };
  const holds = ({ id }: TestContainer): Promise<void> => node.holdsMemory(id, MEMORY_MIB * 2 ** 20);
  const smallDisk = (t: TestContext, path: string, mib: number): void => {
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', path]);
    t.after(() => execFileSync('umount', ['--lazy', path]));
  };

  it('one in a user namespace is written down, and restored neither in a pod with one nor without', async () => {
    const security = { namespace_options: inUserNamespace() };
    const pod = await node.pod({ linux: { security_context: security } });
    const container = await node.start(pod, { security, run: `echo kept >/kept; ${COUNTER}` });
    await until('it to count', async () => (await countOf(container.id)) > 3);
    const location = join(archives, 'userns.tar');
    await checkpoint(container.id, location);
    await goesOn(container);
    const image = { image: location };
    for (const [other, changes] of [
      [pod, { security }],
      [await node.pod(), {}],
    ] as const) {
      const { code, text } = await refusal(node.create(other, { ...changes, image }));
      assert.deepEqual([code, /in a user namespace/.test(text)], ['FAILED_PRECONDITION', true], text);
    }
  });

  it(`one that holds ${MEMORY_MIB} MiB`, async (t) => {
    const container = await node.start(await node.pod(), { run: HOLDS_MEMORY });
    await holds(container);
    const location = join(archives, 'large.tar');
    const beginMs = performance.now();
    await checkpoint(container.id, location);
    const { size } = statSync(location);
    t.diagnostic(`${Math.round(performance.now() - beginMs)} ms, an archive of ${size >> 20} MiB`);
    assert.ok(size > MEMORY_MIB * 2 ** 20);
    await goesOn(container);
    assert.deepEqual(readdirSync(work), []);
  });

  it('no room where the archive is to be, or for the work: an error, nothing is left, and it runs on', async (t) => {
    const container = await node.start(await node.pod(), { run: HOLDS_MEMORY });
    await holds(container);
    const small = join(archives, 'small');
    smallDisk(t, small, 8);
    const first = await refusal(checkpoint(container.id, join(small, 'x.tar')));
    assert.match(first.text, /no space left/);
    assert.deepEqual([readdirSync(small), readdirSync(work)], [[], []]);
    await goesOn(container);

    smallDisk(t, work, 8);
    const second = await refusal(checkpoint(container.id, join(archives, 'x.tar')));
    t.diagnostic(`${first.code} ${first.text}; ${second.code} ${second.text}`);
    assert.match(second.text, /No space left/);
    assert.deepEqual([existsSync(join(archives, 'x.tar')), readdirSync(work)], [false, []]);
    await goesOn(container);
  });

  it('one that a plugin has adjusted; what a plugin mounts must be in the request of a restore', async (t) => {
    const own = join(node.cridock.directory, 'of-plugin');
    mkdirSync(own);
    const env = [{ key: 'ADDED', value: 'yes' }];
    const mounts = [{ destination: '/m', source: own, type: 'bind', options: ['bind', 'ro'] }];
    for (const adjust of [{ env }, { env, mounts }]) {
      const socket = join(node.cridock.directory, 'nri.sock');
      const replies = { CreateContainer: () => ({ adjust }) };
      const plugin = await TestPlugin.register(socket, { base: randomUUID(), replies });
      t.after(() => plugin.close());
      await until('it is synchronised', () => plugin.calls.includes('Synchronize'));
      const container = await node.start(await node.pod(), { run: `echo $ADDED >/added; ${COUNTER}` });
      await until('it to count', async () => (await countOf(container.id)) > 3);
      const location = join(archives, `adjusted-${Object.keys(adjust).length}.tar`);
      await checkpoint(container.id, location);
      await goesOn(container);
      const create = node.create(await node.pod(), { image: { image: location } });
      if ('mounts' in adjust) {
        const { code, text } = await refusal(create);
        assert.deepEqual([code, /expects mounts at \/m$/.test(text)], ['FAILED_PRECONDITION', true], text);
      } else {
        const id = await create;
        await node.runtime.StartContainer({ container_id: id });
        await until('it to count on', async () => (await countOf(id)) > 3);
        const request = { container_id: id, cmd: ['cat', '/added'], timeout: '0' };
        assert.equal((await node.runtime.ExecSync(request)).stdout.toString(), 'yes\n');
      }
      plugin.close();
    }
  });
});
