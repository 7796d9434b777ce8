import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerPhase } from '../../../../src/convert/container/container-state.js';
import { parseTimeNs } from '../../../../src/convert/text/timestamps.js';
import type { ContainerInspectState } from '../../../../src/docker/types.js';
import { ContainerState } from '../../../../src/gen/runtime/v1/ContainerState.js';

const NEVER = '0001-01-01T00:00:00Z';
const STARTED = '2026-11-22T10:00:01.5Z';
const FINISHED = '2026-11-22T10:00:02.000000001Z';
const createdAtNs = parseTimeNs('2026-11-22T10:00:00Z');
const startedAtNs = parseTimeNs(STARTED);
const finishedAtNs = parseTimeNs(FINISHED);

describe('containerPhase', () => {
  it('created', () => {
    assert.deepEqual(containerPhase(docker({ Status: 'created' }), createdAtNs), {
      state: ContainerState.CONTAINER_CREATED,
      exitCode: 0,
      reason: '',
      message: '',
      startedAtNs: 0n,
      finishedAtNs: 0n,
    });
  });

  it('running and paused are running, without an end, also after an earlier one', () => {
    for (const Status of ['running', 'paused'] as const) {
      const state = docker({ Status, Running: true, StartedAt: STARTED, FinishedAt: FINISHED });
      const phase = containerPhase(state, createdAtNs);
      assert.equal(phase.state, ContainerState.CONTAINER_RUNNING);
      assert.equal(phase.startedAtNs, startedAtNs);
      assert.equal(phase.finishedAtNs, 0n);
    }
  });

  it('exited, with the reason', () => {
    const ended = { Status: 'exited', StartedAt: STARTED, FinishedAt: FINISHED } as const;
    const phase = containerPhase(docker({ ...ended, ExitCode: 137 }), createdAtNs);
    assert.deepEqual(phase, {
      state: ContainerState.CONTAINER_EXITED,
      exitCode: 137,
      reason: 'Error',
      message: '',
      startedAtNs,
      finishedAtNs,
    });
    assert.equal(containerPhase(docker(ended), createdAtNs).reason, 'Completed');
    // Also when it was a child that was killed, and the first process ended itself.
    for (const ExitCode of [0, 137, 143]) {
      const killed = docker({ ...ended, ExitCode, OOMKilled: true });
      assert.equal(containerPhase(killed, createdAtNs).reason, 'OOMKilled', `exit code ${ExitCode}`);
    }
    assert.equal(
      containerPhase(docker({ ...ended, Status: 'dead', ExitCode: 1 }), createdAtNs).reason,
      'Error',
    );
  });

  it('never ends before it started, whatever Docker noted', () => {
    const ended = docker({ Status: 'exited', StartedAt: FINISHED, FinishedAt: STARTED });
    const phase = containerPhase(ended, createdAtNs);
    assert.deepEqual([phase.startedAtNs, phase.finishedAtNs], [finishedAtNs, finishedAtNs]);
  });

  it('a failed start has exited, at a time that is not zero', () => {
    const Error = 'exec: "nope": executable file not found in $PATH';
    const phase = containerPhase(docker({ Status: 'created', ExitCode: 127, Error }), createdAtNs);
    assert.deepEqual(phase, {
      state: ContainerState.CONTAINER_EXITED,
      exitCode: 127,
      reason: 'StartError',
      message: Error,
      startedAtNs: createdAtNs,
      finishedAtNs: createdAtNs,
    });
  });

  it('on the way from one state to another is unknown', () => {
    for (const Status of ['restarting', 'removing'] as const) {
      assert.equal(containerPhase(docker({ Status }), createdAtNs).state, ContainerState.CONTAINER_UNKNOWN);
    }
  });
});

function docker(change: Partial<ContainerInspectState>): ContainerInspectState {
  return {
    Status: 'created',
    Running: false,
    Paused: false,
    OOMKilled: false,
    Dead: false,
    Pid: 0,
    ExitCode: 0,
    Error: '',
    StartedAt: NEVER,
    FinishedAt: NEVER,
    ...change,
  };
}
