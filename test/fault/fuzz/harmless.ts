import path from 'node:path';
import type protobuf from 'protobufjs';
import { parseImageReference, type ImageReference } from '../../../src/convert/image/image-reference.js';
import type { World } from './world.js';

/** RPCs that change the object whose id they carry. */
const CHANGING = /^(Stop|Remove|Start|Update|Create|Checkpoint)\w*(Sandbox|Container|Resources|Pod)$/;

/** Fields that make the node write where they say. */
const WRITTEN_PATHS = ['log_directory', 'host_path', 'location', 'output_path'];

/** Cgroups of the fuzzed pods are made below this one. */
export const CGROUP = '/cridock-fuzz';

/**
 * Whether a request may be sent: not one that, when it is taken at its word, would change a keeper, write outside the test's
 * folder or the test's cgroup, or pull from elsewhere than the test's registry. What cannot be decoded is harmless.
 */
export function isHarmless(rpc: string, bytes: Uint8Array, type: protobuf.Type, world: World): boolean {
  let request: Record<string, unknown>;
  try {
    request = type.toObject(type.decode(bytes));
  } catch {
    return true;
  }
  if (!stringsNamed(WRITTEN_PATHS, request).every((one) => mayBeWritten(one, world))) return false;
  if (!stringsNamed(['cgroup_parent'], request).every(mayBeCgroup)) return false;
  if (CHANGING.test(rpc) && isKept(request, world)) return false;
  const reference = stringsNamed(['image'], request)[0];
  if (rpc === 'PullImage') return pointsTo(reference, ({ name }) => name?.registry === world.registry.host);
  if (rpc === 'RemoveImage')
    return pointsTo(
      reference,
      ({ name, idPrefix }) => idPrefix === undefined && !/busybox|pause/.test(name?.repository ?? ''),
    );
  return true;
}

function mayBeWritten(text: string, { directory }: World): boolean {
  if (!text.startsWith('/')) return true; // refused
  const written = path.normalize(text);
  return written === '/dev/null' || written === directory || written.startsWith(`${directory}/`);
}

function mayBeCgroup(text: string): boolean {
  return text === '' || path.join('/', text).startsWith(`${CGROUP}/`);
}

function isKept(request: Record<string, unknown>, { keepers }: World): boolean {
  const kept = keepers.flatMap(({ sandboxId, containerIds }) => [sandboxId, ...containerIds]);
  return [request['container_id'], request['pod_sandbox_id']].some(
    (id) => typeof id === 'string' && id !== '' && kept.some((one) => one.startsWith(id)),
  );
}

function pointsTo(reference: string | undefined, isFine: (reference: ImageReference) => boolean): boolean {
  try {
    return reference === undefined || isFine(parseImageReference(reference, 'image'));
  } catch {
    return true; // no reference at all
  }
}

/** The texts of all fields with these names, anywhere in a message. */
function stringsNamed(names: readonly string[], value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]: [string, unknown]) =>
    typeof item === 'string' ? (names.includes(key) ? [item] : []) : stringsNamed(names, item),
  );
}
