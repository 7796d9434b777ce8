import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerLabels, sandboxLabels } from '../../../src/convert/text/labels.js';
import type { ContainerInspect, ContainerInspectState } from '../../../src/docker/types.js';
import { everySealHolds } from '../../support/recognition.js';
import { readRecord } from '../../../src/state/read-record.js';
import type { ObjectRecord } from '../../../src/state/records.js';
import { transitionsOf, type Transition } from '../../../src/state/transitions.js';
import { silentLogger } from '../../../src/util/log.js';
import { fakeContainer } from '../../support/fake-container.js';

const T1 = '2026-01-01T00:00:01Z';
const T2 = '2026-01-01T00:00:02Z';
const T3 = '2026-01-01T00:00:03Z';

const RUNNING: Partial<ContainerInspectState> = { Status: 'running', Running: true, Pid: 9, StartedAt: T1 };
const EXITED: Partial<ContainerInspectState> = { Status: 'exited', StartedAt: T1, FinishedAt: T2 };

const STATES: Record<string, Partial<ContainerInspectState>> = {
  created: {},
  running: RUNNING,
  paused: { ...RUNNING, Status: 'paused', Paused: true },
  'running again': { ...RUNNING, StartedAt: T3 },
  exited: EXITED,
  'exited again': { Status: 'exited', StartedAt: T3, FinishedAt: T3 },
  'failed to start': { ExitCode: 127, Error: 'no such file' },
  'being removed': { Status: 'removing' },
  'being removed after its end': { ...EXITED, Status: 'removing' },
};

async function container(state: string): Promise<ObjectRecord> {
  const labels = containerLabels({
    labels: {},
    annotations: {},
    own: {},
    sandboxId: 's'.repeat(64),
    logPath: '',
  });
  return record(inspect('k8s_c_pod_ns_uid_0', labels, STATES[state] ?? {}));
}

async function sandbox(state: string, ips: string[] | undefined): Promise<ObjectRecord> {
  const labels = sandboxLabels({ labels: {}, annotations: {}, own: {} });
  return record(inspect('k8s_POD_pod_ns_uid_0', labels, STATES[state] ?? {}), ips);
}

function inspect(
  name: string,
  labels: Record<string, string>,
  state: Partial<ContainerInspectState>,
): ContainerInspect {
  const HostConfig = name.includes('_POD_')
    ? { IpcMode: 'shareable' }
    : { NetworkMode: `container:${'s'.repeat(64)}` };
  const made = fakeContainer(name, { Image: 'i', Labels: labels, HostConfig }, 'i');
  return { ...made, State: { ...made.State, ...state } };
}

async function record(from: ContainerInspect, ips?: string[]): Promise<ObjectRecord> {
  const read = await readRecord(from, {
    ...everySealHolds,
    addresses: () => Promise.resolve(ips),
    image: () => Promise.resolve({ name: 'i', ref: 'i', id: 'i' }),
    log: silentLogger,
  });
  assert.ok(read);
  return read;
}

/** before, after, what is told; `-` is an object that is not there. */
const CONTAINER_ROWS: [string, string, Transition[]][] = [
  ['-', 'created', ['created']],
  ['-', 'running', ['created', 'started']],
  ['-', 'exited', ['created', 'started', 'stopped']],
  ['-', 'failed to start', ['created', 'stopped']],
  ['created', 'created', []],
  ['created', 'running', ['started']],
  ['created', 'exited', ['started', 'stopped']],
  ['created', 'failed to start', ['stopped']],
  ['created', 'being removed', []],
  ['created', '-', ['deleted']],
  ['failed to start', '-', ['deleted']],
  ['running', 'running', []],
  ['running', 'paused', []],
  ['running', 'exited', ['stopped']],
  ['running', 'being removed after its end', ['stopped']],
  ['running', 'running again', ['stopped', 'started']],
  ['running', 'exited again', ['stopped', 'started', 'stopped']],
  ['running', '-', ['stopped', 'deleted']],
  ['exited', 'exited', []],
  ['exited', 'being removed after its end', []],
  ['exited', 'running again', ['started']],
  ['exited', 'exited again', ['started', 'stopped']],
  ['exited', '-', ['deleted']],
];

/** The same where the Engine told of another run that is not shown. */
const MISSED_ROWS: [string, string, Transition[]][] = [
  ['created', '-', ['started', 'stopped', 'deleted']],
  ['created', 'running', ['started', 'stopped', 'started']],
  ['exited', 'running again', ['started', 'stopped', 'started']],
  ['exited', 'exited again', ['started', 'stopped', 'started', 'stopped']],
  ['exited', 'exited', ['started', 'stopped']],
  ['exited', '-', ['started', 'stopped', 'deleted']],
  ['running', 'running', ['stopped', 'started']],
  ['running', 'running again', ['stopped', 'started', 'stopped', 'started']],
  ['running', 'exited', ['stopped', 'started', 'stopped']],
  ['running', '-', ['stopped', 'started', 'stopped', 'deleted']],
];

describe('transitionsOf', () => {
  for (const [from, to, expected] of CONTAINER_ROWS) {
    it(`container: ${from} to ${to}: ${expected.join(', ') || 'nothing'}`, async () => {
      const before = from === '-' ? undefined : await container(from);
      const after = to === '-' ? undefined : await container(to);
      assert.deepEqual(transitionsOf({ before, after, missedRuns: 0 }), expected);
    });
  }

  for (const [from, to, expected] of MISSED_ROWS) {
    it(`container: ${from} to ${to}, and a run that was not shown: ${expected.join(', ')}`, async () => {
      const after = to === '-' ? undefined : await container(to);
      const change = { before: await container(from), after, missedRuns: 1 };
      assert.deepEqual(transitionsOf(change), expected);
    });
  }

  it('counts a sandbox as started when it is ready, and as stopped once', async () => {
    const steps = [
      undefined,
      await sandbox('created', undefined),
      await sandbox('running', undefined),
      await sandbox('running', ['10.0.0.1']),
      await sandbox('running', undefined), // detached, on its way down
      await sandbox('exited', undefined),
      undefined,
    ];
    const told = steps
      .slice(1)
      .flatMap((after, index) => transitionsOf({ before: steps[index], after, missedRuns: 0 }));
    assert.deepEqual(told, ['created', 'started', 'stopped', 'deleted']);
  });
});
