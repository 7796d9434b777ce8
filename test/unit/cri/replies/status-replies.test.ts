import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { containerStatusOf } from '../../../../src/cri/replies/container-messages.js';
import { readHeldLimits } from '../../../../src/limits/node-limits.js';
import { sandboxStatusOf } from '../../../../src/cri/replies/sandbox-messages.js';
import { StatusReplies } from '../../../../src/cri/replies/status-replies.js';
import type { ContainerInspect } from '../../../../src/docker/types.js';
import { loadProtocol } from '../../../../src/server/descriptor.js';
import { JsonStore } from '../../../../src/state/json-store.js';
import { everySealHolds } from '../../../support/recognition.js';
import { readRecord } from '../../../../src/state/read-record.js';
import type { ContainerRecord, SandboxRecord } from '../../../../src/state/records.js';
import { silentLogger } from '../../../../src/util/log.js';

const FIXTURES = join(import.meta.dirname, '../../../../../test/fixtures/inspect');

/** A record of an inspect that an Engine gave. */
async function recordOf(file: string) {
  const inspect = JSON.parse(readFileSync(join(FIXTURES, file), 'utf8')) as ContainerInspect;
  return readRecord(inspect, {
    ...everySealHolds,
    addresses: () => Promise.resolve(['10.0.0.1', 'fd00::1']),
    image: () => Promise.resolve({ name: 'busybox', ref: 'busybox@sha256:1', id: 'sha256:2' }),
    log: silentLogger,
  });
}

describe('replies of the status calls', () => {
  const { encodeReply } = loadProtocol();
  const dir = mkdtempSync(join(tmpdir(), 'cridock-test-'));
  const heldLimits = new JsonStore({ dir, read: readHeldLimits, log: silentLogger });
  const replies = new StatusReplies(encodeReply, heldLimits);
  const wholeReply = () =>
    encodeReply('ContainerStatus', { status: containerStatusOf({ heldLimits }, container) });
  let sandbox: SandboxRecord;
  let container: ContainerRecord;

  before(async () => {
    sandbox = (await recordOf('cri-dockerd-sandbox.json')) as SandboxRecord;
    container = (await recordOf('cri-dockerd-container.json')) as ContainerRecord;
  });
  after(() => rmSync(dir, { recursive: true }));

  it('are the message encoded whole', () => {
    assert.deepEqual(replies.container(container), wholeReply());
    assert.equal(replies.container(container), replies.container(container));
  });

  it('tell of a pod with all its members, as of now', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_123 });
    const status = containerStatusOf({ heldLimits }, container);
    const whole = encodeReply('PodSandboxStatus', {
      status: sandboxStatusOf(sandbox),
      containers_statuses: [status, status],
      timestamp: '1800000000123000000',
    });
    assert.deepEqual(replies.sandbox(sandbox, [container, container]), whole);
  });

  it('tell limits that were set since, though the record is the same', async () => {
    const before = replies.container(container);
    await heldLimits.set(container.id, {
      limits: { cgroup: [], oomScoreAdj: -500 },
      set: true,
    });
    assert.deepEqual(replies.container(container), wholeReply());
    assert.notDeepEqual(replies.container(container), before);
  });
});
