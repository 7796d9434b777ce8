import { CRI_LOG_MODE, LOG_MODE } from '../convert/log-config.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import type { LogSource } from '../logs/log-follower.js';
import { isAlive, type ContainerRecord } from '../state/records.js';

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
  await logs.observe(source, isAlive(container));
}
