import type { ContainerListEntry } from '../docker/types.js';
import type { Picture } from './picture.js';
import type { ObjectRecord } from './records.js';

/** An object that the Engine lists in another state than the picture has it in. */
export interface UntoldChange {
  readonly id: string;
  /** What the picture had; undefined for an object that it does not know. */
  readonly record: ObjectRecord | undefined;
}

/** Where the Engine's list and the picture disagree: an event may be on its way, or lost. `leftOut`: ids of no concern. */
export function untoldChanges(
  listed: readonly ContainerListEntry[],
  picture: Picture,
  leftOut: ReadonlySet<string>,
): UntoldChange[] {
  const states = new Map(listed.map(({ Id: id, State: state }) => [id, state]));
  const ids = new Set([...states.keys(), ...picture.ids()]);
  return [...ids]
    .filter((id) => !leftOut.has(id))
    .map((id) => ({ id, record: picture.get(id) }))
    .filter(({ id, record }) => record?.status !== states.get(id));
}
