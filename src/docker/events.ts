import { Code, CriError } from '../util/cri-error.js';
import { parseJson } from './body.js';
import type { EngineEvent } from './types.js';

/**
 * Reads one line of `GET /events`. `timeNano` has 19 digits, more than JSON.parse keeps, and is taken from the text:
 * inside strings its quotes would be escaped, and attributes of that name hold strings, so the match is the member.
 * Throws INTERNAL for anything that is not an event.
 */
export function parseEvent(line: string): EngineEvent {
  const event = parseJson(line, 'GET /events') as EngineEvent;
  const timeNano = /"timeNano":\s*(\d+)/.exec(line)?.[1];
  if (timeNano === undefined) throw new CriError(Code.INTERNAL, 'GET /events: an event without timeNano');
  return { ...event, timeNano: BigInt(timeNano) };
}

/**
 * The `since` that closes the gap before a subscription: the Engine sends response headers first and subscribes then,
 * and what happens in between is only in its ring of the last 256 events. Old events at the start do no harm.
 */
export function sinceNow(nowMs: number): string {
  return (nowMs / 1000).toFixed(3);
}
