import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import type { LinuxContainerResources } from '../../../src/gen/runtime/v1/LinuxContainerResources.js';
import { forEachLimited } from '../../../src/util/concurrency.js';
import { noEngine } from '../../support/cridock-process.js';
import { TestNode } from '../../support/test-node.js';
import { until } from '../../support/until.js';

/** 1,000 before a release: CRIDOCK_TEST_SHORT_LIVES. */
const LIVES = Number(process.env['CRIDOCK_TEST_SHORT_LIVES'] ?? 40);
const CALLERS = 8;
const PODS = 4;

/** As every kubelet sends them, for a container that asks for none. */
const HUGE_PAGES: LinuxContainerResources = {
  hugepage_limits: [
    { page_size: '2MB', limit: '0' },
    { page_size: '1GB', limit: '0' },
  ],
};
/** Below what Docker takes: cridock writes it into the cgroup after the start. */
const LITTLE_MEMORY: LinuxContainerResources = { ...HUGE_PAGES, memory_limit_in_bytes: 5 * 1024 * 1024 };

describe('containers that run `true`, eight at a time beside a CPU hog', { skip: noEngine }, () => {
  let node: TestNode;
  let hog: ChildProcess;

  before(async () => {
    node = await TestNode.start(['--log-level=info']);
    hog = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
  });
  after(async () => {
    hog.kill('SIGKILL');
    await node.close();
  });

  const startsOf = async (lives: number, resources: LinuxContainerResources): Promise<void> => {
    const starts = new Map<string, number>();
    const end = new AbortController();
    let onOpen: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      onOpen = resolve;
    });
    const following = node.engine.followEvents({
      signal: end.signal,
      filters: { type: ['container'], event: ['start'] },
      onOpen,
      onEvent: ({ Actor: { ID: id } }) => void starts.set(id, (starts.get(id) ?? 0) + 1),
    });
    following.catch(() => undefined);
    await opened;
    const pods = await Promise.all(Array.from({ length: PODS }, () => node.pod()));
    const failures: string[] = [];
    const ids: string[] = [];
    await forEachLimited(Array.from({ length: lives }).keys(), CALLERS, async (index) => {
      const pod = pods[index % PODS];
      assert.ok(pod);
      const id = await node.create(pod, { command: ['true'], args: [], resources });
      ids.push(id);
      await node.runtime.StartContainer({ container_id: id }).catch((error: unknown) => {
        failures.push(String(error));
      });
      const { exit_code: code, reason } = await node.ended(id);
      if (code !== 0) failures.push(`${id}: ${reason}, exit code ${code}`);
    });
    assert.deepEqual(failures, []);
    await until('all starts to be told', () => ids.every((id) => starts.has(id)));
    end.abort();
    assert.deepEqual(
      ids.filter((id) => starts.get(id) !== 1),
      [],
      'each ran once',
    );
  };

  it(`${LIVES} starts with the huge page limits of a kubelet: none fails, each exit code is 0`, async () => {
    await startsOf(LIVES, HUGE_PAGES);
  });

  it(`${LIVES} starts with limits that are written after the start: none fails, each exit code is 0`, async () => {
    await startsOf(LIVES, LITTLE_MEMORY);
  });
});
