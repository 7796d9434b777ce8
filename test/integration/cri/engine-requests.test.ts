import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { noEngine } from '../../support/cridock-process.js';
import { RUN_ON, containerConfig, podConfig } from '../../support/pods.js';
import { TestNode } from '../../support/test-node.js';
import { until } from '../../support/until.js';

const PODS = 3;
/** What a call has caused has been asked by then, such as the reading for an event. */
const SETTLED_MS = 500;

/** How often each operation was asked of the Engine, or of CNI. */
type Requests = Readonly<Record<string, number>>;

/**
 * What each call costs the Engine, at best: an event in the same millisecond as a reading has the object read once more, and
 * every ten seconds all are listed.
 */
const EXPECTED: Readonly<Record<string, Requests>> = {
  RunPodSandbox: { create_container: 1, start_container: 1, inspect_container: 1, ADD: 1 },
  CreateContainer: { create_container: 1, inspect_container: 1 },
  StartContainer: { start_container: 1, inspect_container: 1 },
  ContainerStatus: {},
  ExecSync: { create_exec: 1, start_exec: 1, inspect_exec: 1 },
  StopContainer: { stop_container: 1, inspect_container: 1 },
  RemoveContainer: { remove_container: 1 },
  StopPodSandbox: { stop_container: 1, inspect_container: 1, DEL: 1 },
  RemovePodSandbox: { remove_container: 1 },
  ListPodSandbox: {},
  ListContainers: {},
  ListImages: {},
  ImageStatus: {},
  Status: {},
};

describe('what calls cost the Engine', { skip: noEngine }, () => {
  let node: TestNode;
  let metrics: string;
  const seen = new Map<string, Requests[]>();

  before(async () => {
    node = await TestNode.start(['--metrics-bind-addr=127.0.0.1:0']);
    const [, port = ''] = /serving metrics and health.* port=(\d+)/.exec(node.cridock.log()) ?? [];
    metrics = `http://127.0.0.1:${port}/metrics`;
    await delay(SETTLED_MS);
    for (let n = 0; n < PODS; n += 1) await liveOfPod(n);
  });
  after(() => node.close());

  async function requests(): Promise<Map<string, number>> {
    const text = await (await fetch(metrics)).text();
    const counts =
      /^cri_(?:engine_request|cni_operation)_duration_seconds_count\{operation="(\w+)",.*\} (\d+)/gm;
    const sums = new Map<string, number>();
    for (const [, operation = '', count] of text.matchAll(counts)) {
      sums.set(operation, (sums.get(operation) ?? 0) + Number(count));
    }
    return sums;
  }

  async function count<T>(rpc: string, call: () => Promise<T>): Promise<T> {
    const before = await requests();
    const answer = await call();
    // Some of it nobody waits for, and a busy machine takes its time.
    const all = async (): Promise<boolean> => {
      const now = await requests();
      return Object.entries(EXPECTED[rpc] ?? {}).every(
        ([operation, sum]) => (now.get(operation) ?? 0) >= (before.get(operation) ?? 0) + sum,
      );
    };
    await until('all that it asks', all).catch(() => undefined);
    await delay(SETTLED_MS);
    const more = [...(await requests())].map(([operation, sum]) => [
      operation,
      sum - (before.get(operation) ?? 0),
    ]);
    seen.set(rpc, [
      ...(seen.get(rpc) ?? []),
      Object.fromEntries(more.filter(([, sum]) => sum !== 0)) as Requests,
    ]);
    return answer;
  }

  async function liveOfPod(n: number): Promise<void> {
    const { runtime } = node;
    const { image } = node.cridock.client;
    const config = podConfig(`cost-${n}`, node.cridock.directory);
    const { pod_sandbox_id: pod } = await count('RunPodSandbox', () => runtime.RunPodSandbox({ config }));
    const { container_id: id } = await count('CreateContainer', () =>
      runtime.CreateContainer({
        pod_sandbox_id: pod,
        config: containerConfig('c', node.image, RUN_ON),
        sandbox_config: config,
      }),
    );
    await count('StartContainer', () => runtime.StartContainer({ container_id: id }));
    await count('ContainerStatus', () => runtime.ContainerStatus({ container_id: id }));
    await count('ExecSync', () => runtime.ExecSync({ container_id: id, cmd: ['true'], timeout: '60' }));
    await count('ListPodSandbox', () => runtime.ListPodSandbox({}));
    await count('ListContainers', () => runtime.ListContainers({}));
    await count('ListImages', () => image.ListImages({}));
    await count('ImageStatus', () => image.ImageStatus({ image: { image: node.image } }));
    await count('Status', () => runtime.Status({}));
    await count('StopContainer', () => runtime.StopContainer({ container_id: id, timeout: '0' }));
    await count('RemoveContainer', () => runtime.RemoveContainer({ container_id: id }));
    await count('StopPodSandbox', () => runtime.StopPodSandbox({ pod_sandbox_id: pod }));
    await count('RemovePodSandbox', () => runtime.RemovePodSandbox({ pod_sandbox_id: pod }));
  }

  for (const [rpc, expected] of Object.entries(EXPECTED)) {
    it(`${rpc}: ${JSON.stringify(expected)}`, () => {
      const lives = seen.get(rpc) ?? [];
      const operations = new Set(lives.flatMap((requests) => Object.keys(requests)));
      const fewest = [...operations].map(
        (name) => [name, Math.min(...lives.map((one) => one[name] ?? 0))] as const,
      );
      assert.deepEqual(Object.fromEntries(fewest.filter(([, sum]) => sum > 0)), expected);
    });
  }
});
