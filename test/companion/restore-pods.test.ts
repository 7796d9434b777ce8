import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ContainerConfig } from '../../src/gen/runtime/v1/ContainerConfig.js';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import { noCompanion } from '../support/companion-node.js';
import { testCriu, withCriu } from '../support/criu.js';
import { containerConfig, podConfig } from '../support/pods.js';
import { refusal, TestNode, type TestPod } from '../support/test-node.js';
import { until } from '../support/until.js';

const criu = noCompanion === false ? testCriu() : { missing: noCompanion };
const noCriu = 'missing' in criu && criu.missing;
const folder = 'folder' in criu ? criu.folder : '';

/** Two that count in turns, by files on a volume: in memory they are never more than one apart. */
const turns = (own: string, others: string, begin: number): string =>
  `n=${begin}; while :; do
     echo $n >/shared/${own}.new; mv /shared/${own}.new /shared/${own}; echo $n
     [ "$(cat /shared/${others} 2>/dev/null)" != $((n + 1 - ${begin})) ] || n=$((n + 1)); sleep 0.05
   done`;
/** Large enough for its checkpoint to take a while. */
const HOLDS_MEMORY = 'tail -c 67108864 /dev/zero | { sleep 1; while :; do sleep 1; done; } & ';
/** criu takes no established connections. */
const CONNECTED = `(sleep 100000 | nc -l -p 7) & (until netstat -ltn | grep -q :7; do sleep 0.1; done; sleep 100000 | nc 127.0.0.1 7) & `;

describe('whole pods: checkpoints and restores', { skip: noCriu }, () => {
  let node: TestNode;

  before(async () => {
    node = await TestNode.start(['--restore-checkpoints'], withCriu(folder));
  });
  after(() => node.close());

  const made = (name: string): string => {
    const path = join(node.cridock.directory, name);
    mkdirSync(path);
    return path;
  };
  /** What it has counted; an `mv` that was frozen in the middle finds no file on another volume, and says so on stderr. */
  const linesOf = async (id: string): Promise<number[]> => {
    const { log_path: path } = await node.status(id);
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return text.split('\n').flatMap((line) => line.split(' stdout F ').slice(1).map(Number));
  };
  const start = async (pod: TestPod, configs: readonly ContainerConfig[]): Promise<string[]> => {
    const ids: string[] = [];
    for (const config of configs) {
      const request = { pod_sandbox_id: pod.id, config, sandbox_config: pod.config };
      const { container_id: id } = await node.runtime.CreateContainer(request);
      await node.runtime.StartContainer({ container_id: id });
      ids.push(id);
    }
    for (const id of ids) await until('it to count', async () => ((await linesOf(id)).at(-1) ?? 0) > 3);
    return ids;
  };
  const goOn = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) {
      const before = (await linesOf(id)).at(-1) ?? 0;
      await until('it to go on', async () => ((await linesOf(id)).at(-1) ?? 0) > before + 1);
    }
  };
  const inTurns = (volume: string, first = ''): ContainerConfig[] => {
    const mounts = [{ host_path: volume, container_path: '/shared' }];
    return [
      containerConfig('one', node.image, first + turns('a', 'b', 1), { mounts }),
      containerConfig('two', node.image, first + turns('b', 'a', 0), { mounts }),
    ];
  };
  /** What cridock keeps of checkpoints that are under way. */
  const left = (): string[] => {
    const work = join(node.cridock.directory, 'root', 'checkpoint-work');
    return existsSync(work) ? readdirSync(work) : [];
  };
  const order = (pod: TestPod, ids: string[], path: string) => ({
    pod_sandbox_id: pod.id,
    output_path: path,
    container_ids: ids,
    options: {},
  });

  it('containers go on in a new pod where they were at one moment, while the first pod runs on', async () => {
    const pod = await node.pod();
    const configs = inTurns(made('volume'));
    const ids = await start(pod, configs);
    const path = made('pod-checkpoint');
    await node.runtime.CheckpointPod(order(pod, ids, path));
    const inside = join(path, 'checkpoint');
    assert.deepEqual(readdirSync(path), ['checkpoint']);
    assert.deepEqual(readdirSync(inside).sort(), [...ids.map((id) => `${id}.tar`), 'pod.json'].sort());
    for (const name of readdirSync(inside)) assert.equal(statSync(join(inside, name)).mode & 0o777, 0o600);
    await goOn(ids);
    assert.deepEqual(left(), []);

    const config = podConfig('restored', node.cridock.directory);
    const restore = {
      checkpoint_path: path,
      config,
      runtime_handler: '',
      options: {},
      container_configs: inTurns(made('other-volume')),
    };
    const { pod_sandbox_id: id, restored_containers: restored } = await node.runtime.RestorePod(restore);
    try {
      assert.deepEqual(
        restored.map(({ name }) => name),
        ['one', 'two'],
      );
      for (const { container_id: member } of restored) {
        assert.equal((await node.status(member)).state, ContainerState.CONTAINER_CREATED);
        assert.deepEqual(await linesOf(member), []);
      }
      const again = await node.runtime.RestorePod(restore);
      assert.deepEqual([again.pod_sandbox_id, again.restored_containers], [id, restored]);
      const begins: number[] = [];
      for (const { container_id: member } of restored) {
        await node.runtime.StartContainer({ container_id: member });
        await until('it to count on', async () => (await linesOf(member)).length > 0);
        begins.push((await linesOf(member))[0] ?? 0);
      }
      assert.ok(Math.abs((begins[0] ?? 0) - (begins[1] ?? 0)) <= 1 && Math.min(...begins) > 2, begins.join());
      await goOn(restored.map((each) => each.container_id));
      // They run: the same again is another pod's, and takes nothing away.
      assert.equal((await refusal(node.runtime.RestorePod(restore))).code, 'ALREADY_EXISTS');
      await goOn(restored.map((each) => each.container_id));
    } finally {
      await node.runtime.RemovePodSandbox({ pod_sandbox_id: id });
    }

    const misfits: [object, string, RegExp][] = [
      [{ options: { x: 'y' } }, 'INVALID_ARGUMENT', /^options: /],
      [{ container_configs: [] }, 'INVALID_ARGUMENT', /^container_configs: /],
      [{ container_configs: configs.slice(1) }, 'INVALID_ARGUMENT', /lacks .*one/],
      [{ container_configs: [...configs, configs[0]] }, 'INVALID_ARGUMENT', /no such container/],
      [{ checkpoint_path: made('empty') }, 'INVALID_ARGUMENT', /^checkpoint_path: /],
      [{ checkpoint_path: 'relative' }, 'INVALID_ARGUMENT', /^checkpoint_path: /],
      [{ runtime_handler: 'second-runc' }, 'FAILED_PRECONDITION', /^runtime_handler: /],
      [{ config: undefined }, 'INVALID_ARGUMENT', /^config: /],
    ];
    const changes: [ContainerConfig, string, RegExp][] = [
      [{ image: { image: 'no.such/image:1' } }, 'NOT_FOUND', /image/],
      [{ command: ['sh', '-c', 'exit 1'] }, 'FAILED_PRECONDITION', /command or args of two/],
      [{ envs: [{ key: 'MORE', value: Buffer.from('1') }] }, 'FAILED_PRECONDITION', /envs of two/],
      [{ working_dir: '/tmp' }, 'FAILED_PRECONDITION', /working_dir of two/],
      [{ mounts: [] }, 'FAILED_PRECONDITION', /\/shared/],
    ];
    for (const [change, code, words] of changes) {
      misfits.push([{ container_configs: [configs[0], { ...configs[1], ...change }] }, code, words]);
    }
    const broken = made('broken');
    mkdirSync(join(broken, 'checkpoint'));
    for (const name of readdirSync(inside)) {
      const text = name === 'pod.json' ? readFileSync(join(inside, name)) : 'x';
      writeFileSync(join(broken, 'checkpoint', name), text);
    }
    misfits.push([{ checkpoint_path: broken }, 'INVALID_ARGUMENT', /is no checkpoint/]);
    for (const [change, code, words] of misfits) {
      const told = await refusal(node.runtime.RestorePod({ ...restore, ...change }));
      assert.equal(told.code, code, told.text);
      assert.match(told.text, words);
    }
    const { items } = await node.runtime.ListPodSandbox({ filter: { label_selector: config.labels ?? {} } });
    assert.deepEqual(items, [], 'nothing is left of a pod that could not be restored');
  });

  it("refuses containers that are not the pod's, and places that are none", async () => {
    const pod = await node.pod();
    const ids = await start(pod, inTurns(made('volume-2')));
    const { id: stranger } = await node.start(await node.pod());
    const { id: stopped } = await node.pod();
    await node.runtime.StopPodSandbox({ pod_sandbox_id: stopped });
    const path = made('again');
    const taken = made('taken');
    writeFileSync(join(taken, 'x'), '');
    const refused: [object, string][] = [
      [{ options: { x: 'y' } }, 'INVALID_ARGUMENT'],
      [{ output_path: taken }, 'INVALID_ARGUMENT'],
      [{ output_path: join(taken, 'x') }, 'INVALID_ARGUMENT'],
      [{ output_path: '/no/such' }, 'INVALID_ARGUMENT'],
      [{ output_path: '' }, 'INVALID_ARGUMENT'],
      [{ container_ids: [] }, 'INVALID_ARGUMENT'],
      [{ container_ids: [ids[0], ids[0]] }, 'INVALID_ARGUMENT'],
      [{ container_ids: [ids[0], stranger] }, 'INVALID_ARGUMENT'],
      [{ container_ids: ['f'.repeat(64)] }, 'NOT_FOUND'],
      [{ pod_sandbox_id: 'f'.repeat(64) }, 'NOT_FOUND'],
      [{ pod_sandbox_id: stopped }, 'FAILED_PRECONDITION'],
    ];
    for (const [change, code] of refused) {
      const call = node.runtime.CheckpointPod({ ...order(pod, ids, path), ...change });
      assert.equal((await refusal(call)).code, code, JSON.stringify(change));
      assert.deepEqual(readdirSync(path), []);
    }
    await goOn(ids);
  });

  it('what criu cannot write down of one leaves all running, and nothing of the others', async () => {
    const pod = await node.pod();
    const [one = {}, two = {}] = inTurns(made('volume-3'));
    const command = containerConfig('two', node.image, CONNECTED + turns('b', 'a', 0)).command ?? [];
    const ids = await start(pod, [one, { ...two, command }]);
    const isConnected = async (): Promise<boolean> => {
      const cmd = ['netstat', '-tn'];
      const { stdout } = await node.runtime.ExecSync({ container_id: ids[1] ?? '', cmd, timeout: '0' });
      return stdout.includes('ESTABLISHED');
    };
    await until('the connection', isConnected);
    const path = made('failed');
    const { text } = await refusal(node.runtime.CheckpointPod(order(pod, ids, path)));
    assert.match(text, new RegExp(`container ${ids[1]} cannot be checkpointed: .*criu`));
    assert.deepEqual([readdirSync(path), left()], [[], []]);
    await goOn(ids);
  });

  it('a caller that goes, and a kill of cridock, leave all running, and nothing half made', async () => {
    const pod = await node.pod();
    const ids = await start(pod, inTurns(made('volume-4'), HOLDS_MEMORY));
    const path = made('cut');
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const call = node.cridock.client.runtime.CheckpointPod(order(pod, ids, path), options);
    await until('the work', () => left().length > 2);
    controller.abort();
    assert.equal((await refusal(call)).code, 'CANCELLED');
    await until('the work to be taken away', () => left().length === 0);
    assert.deepEqual(readdirSync(path), []);
    await goOn(ids);

    const other = node.runtime.CheckpointPod(order(pod, ids, path)).catch(() => undefined);
    await until('the work', () => left().length > 2);
    await node.cridock.kill9();
    await other;
    await node.cridock.restart();
    await goOn(ids);
    await until('the work to be taken away', () => left().length === 0);
    assert.deepEqual(readdirSync(path), []);
    await node.runtime.CheckpointPod(order(pod, ids, path));
    await goOn(ids);
  });

  it('restores no pod where that is not switched on', async (t) => {
    const plain = await TestNode.start([], withCriu(folder));
    t.after(() => plain.close());
    const request = { checkpoint_path: '/x', runtime_handler: '', options: {}, container_configs: [] };
    const config = podConfig('off', plain.cridock.directory);
    const { code, text } = await refusal(plain.runtime.RestorePod({ ...request, config }));
    assert.deepEqual([code, /--restore-checkpoints/.test(text)], ['FAILED_PRECONDITION', true], text);
  });
});
