import { createHash } from 'node:crypto';
import type { ContainerCreateBody } from '../../docker/types.js';
import { OWN_LABEL_PREFIX } from './labels.js';

/** The fact of cridock's own that tells what a container was asked to be: a retry knows its own half-made object by it. */
export const SPEC_HASH = 'spec-hash';

/**
 * The body with its own hash as a label, and the hash. Equal requests give equal hashes: the order of map entries,
 * which Go clients shuffle, does not count.
 *
 * @param asked what is hashed, where the body is more than was asked for
 */
export function withSpecHash(
  body: ContainerCreateBody,
  asked: object = body,
): { body: ContainerCreateBody; specHash: string } {
  const specHash = createHash('sha256').update(JSON.stringify(asked, sortKeys)).digest('hex').slice(0, 32);
  return {
    body: { ...body, Labels: { ...body.Labels, [OWN_LABEL_PREFIX + SPEC_HASH]: specHash } },
    specHash,
  };
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
