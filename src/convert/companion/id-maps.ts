/** A range of ids that is mapped one to one, as OCI's config.json has it. */
export interface IdMap {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** How the ids of a user namespace, or of a mount, are those of the node. */
export interface IdMaps {
  readonly uids: readonly IdMap[];
  readonly gids: readonly IdMap[];
}

/** True when both map the same ids to the same ones. */
export function areSameMaps(a: IdMaps | undefined, b: IdMaps | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Checks a decoded JSON value. Throws when it holds no mappings. */
export function readIdMaps(value: unknown): IdMaps {
  if (typeof value !== 'object' || value === null || !('uids' in value) || !('gids' in value)) {
    throw new Error('no "uids" or no "gids"');
  }
  return { uids: readMaps(value.uids), gids: readMaps(value.gids) };
}

function readMaps(value: unknown): IdMap[] {
  if (!Array.isArray(value)) throw new Error('mappings are no list');
  return value.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) throw new Error('a mapping is no object');
    const { containerID, hostID, size } = entry as Partial<Record<keyof IdMap, unknown>>;
    if (typeof containerID !== 'number' || typeof hostID !== 'number' || typeof size !== 'number') {
      throw new Error('a mapping lacks a number');
    }
    return { containerID, hostID, size };
  });
}
