import type { IdMap, IdMaps } from './id-maps.js';
import type { Overlay } from './overlay.js';

/** What the companion does before it becomes the OCI runtime (deploy/companion/runc.c reads it). */
export interface Answer {
  /** The text of config.json. */
  readonly config: string;
  /** Whether the cgroup path is systemd's. */
  readonly systemdCgroup: boolean;
  readonly overlays: readonly Overlay[];
  /** What the container is restored from, in the place of being created. */
  readonly restore?: RestoreAnswer | undefined;
  /** The owners that overlays are shown with. */
  readonly idMaps?: IdMaps | undefined;
}

/** Absolute paths. */
export interface RestoreAnswer {
  /** Folder of criu's images. */
  readonly images: string;
  /** For criu's log. */
  readonly work: string;
  /** Folder of criu. */
  readonly criu: string;
}

/** Lines of a word and a value, and the config at the end. Throws where a path would not fit into a line. */
export function answerText({ config, systemdCgroup, overlays, idMaps, restore }: Answer): Buffer {
  const maps = overlays.length === 0 || idMaps === undefined ? [] : mapLines(idMaps);
  const bytes = Buffer.from(config);
  const lines = [
    ...(systemdCgroup ? ['systemd-cgroup'] : []),
    ...maps,
    ...overlays.flatMap(overlayLines),
    ...(restore ? [`images ${restore.images}`, `logs ${restore.work}`, `criu ${restore.criu}`] : []),
    `config ${bytes.length}`,
  ];
  if (lines.some((line) => /[\n\0]/.test(line))) throw new Error('a path holds a line break');
  return Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), bytes]);
}

/** Why the container must not start. */
export function refusalText(reason: string): Buffer {
  return Buffer.from(`error ${reason.replace(/[\n\0]+/g, ' ')}\n`);
}

function mapLines({ uids, gids }: IdMaps): string[] {
  const line =
    (word: string) =>
    (map: IdMap): string =>
      `${word} ${map.containerID} ${map.hostID} ${map.size}`;
  return [...uids.map(line('uids')), ...gids.map(line('gids'))];
}

function overlayLines({
  layers,
  data,
  work,
  sub,
  target,
  holder,
  isHolderShared,
  origin,
}: Overlay): string[] {
  return [
    'overlay',
    `layers ${layers}`,
    ...(work === undefined ? [] : [`work ${work}`]),
    `data ${data}`,
    ...(sub === '' ? [] : [`sub ${sub}`]),
    `holder ${holder}`,
    `target ${target}`,
    ...(origin === undefined ? [] : [`origin ${origin}`]),
    ...(isHolderShared ? ['shared'] : []),
  ];
}
