import { parseTimeNs } from '../convert/text/timestamps.js';
import { isAlive, isReady, type ObjectRecord } from './records.js';

/** The steps in the life of a sandbox or a container, in the words of CRI's events. */
export type Transition = 'created' | 'started' | 'stopped' | 'deleted';

/** One change of the picture. One of the two records is there. */
export interface Change {
  /** What was known until now; undefined for an object that is new. */
  readonly before: ObjectRecord | undefined;
  /** What is known now; undefined for an object that is gone. */
  readonly after: ObjectRecord | undefined;
  /** Runs that the Engine told of and that no reading has shown: they were over before one was made. */
  readonly missedRuns: number;
}

/**
 * The steps between two readings of an object, in their order. Each is told once however many readings lie between,
 * and steps that fell between two readings are not left out.
 */
export function transitionsOf({ before, after, missedRuns }: Change): Transition[] {
  const steps = shownSteps(before, after);
  const isRunning = after !== undefined && stageOf(after) === 'running';
  const at = steps.findLastIndex((step) => step === 'started' || step === 'deleted');
  // Before the run that is shown now; if that was told already, the object is where it was and the steps lead back there.
  const run: Transition[] = at === -1 && isRunning ? ['stopped', 'started'] : ['started', 'stopped'];
  const missed = Array.from({ length: missedRuns }, () => run).flat();
  return steps.toSpliced(at === -1 ? steps.length : at, 0, ...missed);
}

/** When the object's last run began, Unix ns; 0n for never. */
export function startOf(record: ObjectRecord | undefined): bigint {
  return record === undefined ? 0n : parseTimeNs(record.inspect.State.StartedAt);
}

/** The steps that the two readings themselves show. */
function shownSteps(before: ObjectRecord | undefined, after: ObjectRecord | undefined): Transition[] {
  const from = before && stageOf(before);
  if (after === undefined) {
    if (from === undefined) return [];
    return from === 'running' ? ['stopped', 'deleted'] : ['deleted'];
  }
  const to = stageOf(after);
  const steps: Transition[] = from === undefined ? ['created'] : [];
  // Of an object that could not be read, the Engine's list tells that it runs or has ended, not since when.
  const knowsRun = from === undefined || from === 'created' || startOf(before) !== 0n;
  const isAnotherRun =
    knowsRun && to !== 'created' && startOf(after) !== 0n && startOf(after) !== startOf(before);
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
