import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import type { ContainerState__Output } from '../../gen/runtime/v1/ContainerState.js';
import type { ContainerInspectState } from '../../docker/types.js';
import { parseTimeNs } from '../text/timestamps.js';

/** Where a container is in its life, in the words of CRI's ContainerStatus. */
export interface ContainerPhase {
  state: ContainerState__Output;
  exitCode: number;
  /** `Completed`, `Error`, `OOMKilled` or `StartError` for an ended container, else ''. */
  reason: string;
  message: string;
  /** Unix nanoseconds; 0n while created. */
  startedAtNs: bigint;
  /** Unix nanoseconds; 0n while created or running. */
  finishedAtNs: bigint;
}

/**
 * The CRI's view of Docker's container state. A paused container counts as running. A container whose start failed
 * stays `created` for Docker, with an exit code and an error: for the CRI it has exited, at the time it was created
 * because the kubelet needs times that are not zero.
 */
export function containerPhase(state: ContainerInspectState, createdAtNs: bigint): ContainerPhase {
  switch (state.Status) {
    case 'created':
      return isFailedStart(state)
        ? exited(state, createdAtNs)
        : { ...NOTHING_YET, state: ContainerState.CONTAINER_CREATED };
    case 'running':
    case 'paused':
      return {
        ...NOTHING_YET,
        state: ContainerState.CONTAINER_RUNNING,
        startedAtNs: parseTimeNs(state.StartedAt) || createdAtNs,
      };
    case 'exited':
    case 'dead':
      return exited(state, createdAtNs);
    case 'restarting':
    case 'removing':
      return { ...exited(state, createdAtNs), state: ContainerState.CONTAINER_UNKNOWN, reason: '' };
  }
}

/**
 * Engines from 23.0 on give a start up when the client that asked goes away, and note that as an error. Such a container
 * was never started and can be.
 */
function isFailedStart({ ExitCode, Error }: ContainerInspectState): boolean {
  return ExitCode !== 0 && Error !== '' && !Error.includes('context canceled');
}

const NOTHING_YET = { exitCode: 0, reason: '', message: '', startedAtNs: 0n, finishedAtNs: 0n } as const;

function exited(state: ContainerInspectState, createdAtNs: bigint): ContainerPhase {
  const startedAtNs = parseTimeNs(state.StartedAt) || createdAtNs;
  const finishedAtNs = parseTimeNs(state.FinishedAt);
  return {
    state: ContainerState.CONTAINER_EXITED,
    exitCode: state.ExitCode,
    reason: exitReason(state),
    message: state.Error,
    startedAtNs,
    // Docker may see a short-lived process end before it takes the time of its start.
    finishedAtNs: finishedAtNs > startedAtNs ? finishedAtNs : startedAtNs,
  };
}

/**
 * OOMKilled wins over the exit code, also when only a child was killed and the first process ended itself with 0 or 143:
 * containerd and CRI-O tell it for every kill in the container's cgroup, it is how users learn that the limit was hit,
 * and no kubelet decides on more than the exit code.
 */
function exitReason(state: ContainerInspectState): string {
  if (state.OOMKilled) return 'OOMKilled';
  if (state.ExitCode === 0) return 'Completed';
  return parseTimeNs(state.StartedAt) === 0n ? 'StartError' : 'Error';
}
