import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { forEachLimited } from '../../../src/util/concurrency.js';
import { noEngine } from '../../support/cridock-process.js';
import { TestNode } from '../../support/test-node.js';

/** `CRIDOCK_TEST_OOM_KILLS=500` is as many as it takes to see what is rare. */
const KILLS = Number(process.env['CRIDOCK_TEST_OOM_KILLS'] ?? 16);
const CALLERS = 8;
const PODS = 4;
const HOGS = 2;

describe('containers that are killed for memory, eight at a time beside CPU hogs', { skip: noEngine }, () => {
  let node: TestNode;
  let hogs: ChildProcess[] = [];

  before(async () => {
    node = await TestNode.start(['--log-level=info']);
    hogs = Array.from({ length: HOGS }, () =>
      spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }),
    );
  });
  after(async () => {
    for (const hog of hogs) hog.kill('SIGKILL');
    await node.close();
  });

  /** The shim's watcher may begin after the kill: then neither Docker nor anybody else is ever told why. */
  it('are told as OOMKilled from the first status on that says they have ended', async (t) => {
    const told = new Set<string>();
    const end = new AbortController();
    const opened = new Promise<void>((resolve) => {
      const following = node.engine.followEvents({
        signal: end.signal,
        filters: { type: ['container'], event: ['oom'] },
        onOpen: resolve,
        onEvent: ({ Actor: { ID: id } }) => void told.add(id),
      });
      following.catch(() => undefined);
    });
    await opened;
    const pods = await Promise.all(Array.from({ length: PODS }, () => node.pod()));
    const others: string[] = [];
    const ids: string[] = [];
    await forEachLimited(Array.from({ length: KILLS }).keys(), CALLERS, async (index) => {
      const pod = pods[index % PODS];
      assert.ok(pod);
      const resources = { memory_limit_in_bytes: String(16 * 1024 * 1024) };
      const id = await node.create(pod, { run: 'exec tail /dev/zero', resources });
      ids.push(id);
      await node.runtime.StartContainer({ container_id: id });
      const { reason, exit_code: code } = await node.ended(id);
      if (reason !== 'OOMKilled' || code !== 137) others.push(id);
    });
    end.abort();
    const untold = ids.filter((id) => !told.has(id));
    if (untold.length > 0) t.diagnostic(`${untold.length} of ${KILLS} that the Engine told nothing of`);
    assert.ok(untold.length < KILLS);
    assert.deepEqual(
      others.filter((id) => told.has(id)),
      [],
    );
  });
});
