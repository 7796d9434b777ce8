import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { noEngine } from '../../support/cridock-process.js';
import { TestPlugin, type TestPluginOptions } from '../../support/nri-plugin.js';
import { seededRandom } from '../../support/random.js';
import { TestNode, refusal, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

/** Of each kind; CRIDOCK_NRI_FAULT_STARTS=200 makes a thousand of all. */
const STARTS = Number(process.env['CRIDOCK_NRI_FAULT_STARTS'] ?? 8);
const AT_A_TIME = 8;
const SEED = Number(process.env['CRIDOCK_TEST_SEED'] ?? Date.now() % 1_000_000);
const REQUEST_TIMEOUT_MS = 300;
/** How often a plugin does what it should not. */
const SHARE = 0.2;

type Misbehave = (plugin: () => TestPlugin) => Promise<object> | object;
const NEVER = new Promise<object>(() => undefined);

const KINDS: Readonly<Record<string, { misbehave: Misbehave; policy?: TestPluginOptions['policy'] }>> = {
  'answers late': { misbehave: () => delay(REQUEST_TIMEOUT_MS * 2).then(() => ({})) },
  'never answers, and stays': { misbehave: () => NEVER, policy: { keep_connected: true } },
  'never answers, and wants that to fail': { misbehave: () => NEVER, policy: { fail_request: true } },
  'answers with garbage': {
    misbehave: (plugin) => {
      plugin().writeRaw(Buffer.alloc(100, 0xee));
      return NEVER;
    },
  },
  dies: {
    misbehave: (plugin) => {
      plugin().close();
      return NEVER;
    },
  },
};

describe(`starts under plugins that fail (seed ${SEED})`, { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  before(async () => {
    node = await TestNode.start([`--nri-plugin-request-timeout=${REQUEST_TIMEOUT_MS}ms`]);
    pod = await node.pod();
  });
  after(() => node.close());

  for (const [kind, { misbehave, policy }] of Object.entries(KINDS)) {
    it(`${STARTS} starts, ${AT_A_TIME} at a time, under one that ${kind}`, async (t) => {
      const random = seededRandom(SEED);
      let misbehaved = 0;
      const over = new AbortController();
      let plugin: TestPlugin | undefined;
      const fault = (): Promise<object> | object => {
        if (random() > SHARE || plugin === undefined) return {};
        misbehaved += 1;
        const failing = plugin;
        return misbehave(() => failing);
      };
      const replies = {
        CreateContainer: fault,
        StartContainer: fault,
        PostStartContainer: fault,
        StopContainer: fault,
      };
      // As a DaemonSet does: it comes back whenever it is gone.
      const supervised = (async () => {
        while (!over.signal.aborted) {
          if (plugin === undefined || plugin.isClosed) {
            plugin = await TestPlugin.register(join(node.cridock.directory, 'nri.sock'), {
              replies,
              ...(policy && { policy }),
            }).catch(() => undefined);
          }
          await delay(20);
        }
      })();
      await until('it is there', () => plugin?.calls.includes('Synchronize') === true);
      const failures: string[] = [];
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < STARTS) {
          next += 1;
          const failed = await startAndRemove(node, pod);
          if (failed !== '') failures.push(failed);
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, worker));
      over.abort();
      await supervised;
      plugin?.close();
      if (policy?.fail_request === true) {
        for (const text of failures) assert.match(text, /NRI plugin 10-test: \w+: (no answer|it|its)/);
      } else assert.deepEqual(failures, []);
      t.diagnostic(`it failed ${misbehaved} times; ${failures.length} starts failed`);
      const { containers } = await node.runtime.ListContainers({ filter: { pod_sandbox_id: pod.id } });
      assert.deepEqual(containers, []);
      const left = await node.engine.listContainers([`io.kubernetes.sandbox.id=${pod.id}`]);
      assert.deepEqual(left, []);
      assert.deepEqual(readdirSync(join(node.cridock.directory, 'root/nri')), []);
    });
  }
});

/** Answers why it failed, or ''. What it made is gone afterwards. */
async function startAndRemove(node: TestNode, pod: TestPod): Promise<string> {
  let id: string;
  try {
    id = await node.create(pod);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const start = node.runtime.StartContainer({ container_id: id });
  const outcome = await start.then(
    () => '',
    async () => (await refusal(start)).text,
  );
  await node.runtime.RemoveContainer({ container_id: id });
  return outcome;
}
