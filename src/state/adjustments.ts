import { ADJUSTMENTS, parseAdjustments, type Adjustments } from '../convert/companion/adjustments.js';
import type { IdMaps } from '../convert/companion/id-maps.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { ownFact, type ObjectRecord } from './records.js';

/**
 * What cridock made the container to have by the companion runtime; undefined for those that do without. Only what cridock
 * wrote counts. INTERNAL when that cannot be read.
 */
export function adjustmentsOf(record: ObjectRecord): Adjustments | undefined {
  const text = ownFact(record, ADJUSTMENTS);
  if (text === undefined) return undefined;
  try {
    return parseAdjustments(text);
  } catch (error) {
    throw new CriError(Code.INTERNAL, `${record.id}: its adjustments cannot be read: ${messageOf(error)}`);
  }
}

/** Likewise, for those who only tell of it: nothing where it cannot be read. */
export function toldAdjustments(record: ObjectRecord): Adjustments {
  try {
    return adjustmentsOf(record) ?? {};
  } catch {
    return {};
  }
}

/** The mappings of a pod's user namespace, if it has one. */
export function userNamespaceOf(record: ObjectRecord): IdMaps | undefined {
  return adjustmentsOf(record)?.userNamespace;
}
