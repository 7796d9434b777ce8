import { parseTimeNs } from '../convert/timestamps.js';
import { isAlive, isReady, type ObjectRecord } from './records.js';

/** The steps in the life of a sandbox or a container, in the words of CRI's events. */
export type Transition = 'created' | 'started' | 'stopped' | 'deleted';

/** One change of the picture. One of the two records is there. */
export interface Change {
  /** What was known until now; undefined for an object that is new. */
  readonly before: ObjectRecord | undefined;
  /** What is known now; undefined for an object that is gone. */
  readonly after: ObjectRecord | undefined;
  /** The Engine told of a start since `before` was read: of a short life nothing else may be seen. */
  readonly startSeen: boolean;
}

/**
 * The steps between two readings of an object, in their order. Each is told once however many readings lie between,
 * and steps that fell between two readings are not left out.
 */
export function transitionsOf({ before, after, startSeen }: Change): Transition[] {
  const from = before && stageOf(before);
  if (after === undefined) return from === undefined ? [] : endOf(from, startSeen);
  const to = stageOf(after);
  const steps: Transition[] = from === undefined ? ['created'] : [];
  const isAnotherRun = to !== 'created' && startOf(after) !== 0n && startOf(after) !== startOf(before);
  if (isAnotherRun && from === 'running') steps.push('stopped');
  const wasRunning = from === 'running' && !isAnotherRun;
  const starts = to === 'running' ? !wasRunning : to === 'stopped' && isAnotherRun && !wasRunning;
  if (starts) steps.push('started');
  const hasEnded = to === 'stopped' && (isAnotherRun || from !== 'stopped');
  if (hasEnded) steps.push('stopped');
  return steps;
}

type Stage = 'created' | 'running' | 'stopped';

/** A sandbox runs for the CRI when it is ready: that is what its status says. */
function stageOf(record: ObjectRecord): Stage {
  const runs = record.kind === 'sandbox' ? isReady(record) : isAlive(record);
  if (runs) return 'running';
  if (isAlive(record)) return 'created'; // a sandbox that has not got its network yet, or has lost it
  // A failed start leaves a container `created` for Docker; for the CRI it has exited.
  const hasFailed = record.kind === 'container' && record.status === 'created' && record.phase.reason !== '';
  return startOf(record) === 0n && !hasFailed ? 'created' : 'stopped';
}

/** When its last run began, Unix ns; 0n for never. */
function startOf(record: ObjectRecord | undefined): bigint {
  return record === undefined ? 0n : parseTimeNs(record.inspect.State.StartedAt);
}

function endOf(from: Stage, startSeen: boolean): Transition[] {
  if (from === 'running') return ['stopped', 'deleted'];
  if (from === 'created' && startSeen) return ['started', 'stopped', 'deleted'];
  return ['deleted'];
}
