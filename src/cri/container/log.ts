import { CRI_LOG_MODE, LOG_MODE } from '../../convert/container/log-config.js';
import type { ContainerLogs } from '../../logs/container-logs.js';
import type { LogProblem, LogSource } from '../../logs/log-follower.js';
import type { Mirror } from '../../state/mirror.js';
import { isAlive, type ContainerRecord } from '../../state/records.js';
import type { CriDeps } from '../deps.js';

/** `symlink` for containers adopted from cri-dockerd, and those made so. */
export function logModeOf({ labels }: ContainerRecord): 'cri' | 'symlink' | 'none' {
  if (labels.logPath === '') return 'none';
  return labels.own[LOG_MODE] === CRI_LOG_MODE ? 'cri' : 'symlink';
}

/** The log that cridock writes for this container; undefined when it writes none. */
export function logSourceOf(container: ContainerRecord): LogSource | undefined {
  if (logModeOf(container) !== 'cri') return undefined;
  const { id, labels, inspect } = container;
  return {
    id,
    path: labels.logPath,
    tty: inspect.Config.Tty === true,
    createdAt: inspect.Created,
  };
}

/** To be told of each reading of a container before it is known to others. Waits a while for the log of one that has ended. */
export async function observeLog(logs: ContainerLogs, container: ContainerRecord): Promise<void> {
  const source = logSourceOf(container);
  // One that was never started has no log, and the Engine would wait for its start.
  if (source === undefined || container.status === 'created') return;
  const told = container.problem === undefined ? container.inspect : undefined;
  await logs.observe(source, isAlive(container), told);
}

/** Forgets what was followed of containers that the Engine no longer has. */
export function dropLogsAfterResync(logs: ContainerLogs, mirror: Mirror): void {
  mirror.subscribe({ onResync: (_reason, _corrected, ids) => logs.retain(ids) });
}

/** Why the kubelet does not find this container's log, or not all of it, at its path; undefined when it does. */
export function logProblemOf(
  { logs }: Pick<CriDeps, 'logs'>,
  container: ContainerRecord,
): LogProblem | undefined {
  const { LogPath: dockerLogPath, HostConfig: hostConfig } = container.inspect;
  if (logModeOf(container) !== 'symlink' || dockerLogPath || container.status === 'created') {
    return logs.problemOf(container.id);
  }
  const driver = hostConfig.LogConfig?.Type ?? '';
  return {
    reason: 'NothingToLink',
    message: `the container's log driver ${driver} keeps no file to link to`,
  };
}

/** The containers that have such a problem. */
export function logProblems(deps: Pick<CriDeps, 'logs' | 'mirror'>): { id: string; problem: LogProblem }[] {
  const found: { id: string; problem: LogProblem }[] = [];
  for (const container of deps.mirror.lastKnown.containers.values()) {
    const problem = logProblemOf(deps, container);
    if (problem !== undefined) found.push({ id: container.id, problem });
  }
  return found;
}
