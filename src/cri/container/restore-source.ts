import type { RestoreSource } from '../../checkpoint/restores.js';
import { RESTORE_FIELD } from '../../checkpoint/restores.js';
import { checkAbsolutePath } from '../../convert/text/validate.js';
import type { ImageInspect } from '../../docker/types.js';
import { toldAdjustments } from '../../state/adjustments.js';
import { withScratchContainer } from '../../images/scratch-container.js';
import { Code, CriError } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';

/** By which images say that they hold a checkpoint: as checkpointctl has it, and CRI-O before. */
const MARKS = ['org.criu.checkpoint.container.name', 'io.kubernetes.cri-o.annotations.checkpoint.name'];
/** What such an image has in its root folder. */
const FILES = ['/config.dump', '/spec.dump', '/checkpoint/inventory.img'];

type Deps = Pick<CriDeps, 'engine' | 'images' | 'seal' | 'settings'>;

/** An archive that is named in the place of an image: no image's name begins so. FAILED_PRECONDITION where that is switched off. */
export function archiveSource({ settings }: Deps, image: string): RestoreSource | undefined {
  if (!image.startsWith('/')) return undefined;
  checkAbsolutePath(RESTORE_FIELD, image);
  requireRestores(settings);
  return { kind: 'archive', path: image };
}

/**
 * An image that holds a checkpoint. It says so by a label; annotations of its manifest, where other tools write that, the Engine
 * does not show, so that an image without any program is looked into, where restores are switched on. FAILED_PRECONDITION where
 * they are not.
 */
export async function imageSource(deps: Deps, image: ImageInspect): Promise<RestoreSource | undefined> {
  const { Labels: labels, Entrypoint: entrypoint, Cmd: command } = image.Config ?? {};
  const isMarked = MARKS.some((mark) => labels?.[mark] !== undefined);
  if (isMarked) requireRestores(deps.settings);
  if (!isMarked) {
    const hasProgram = (entrypoint ?? []).length > 0 || (command ?? []).length > 0;
    if (hasProgram || !deps.settings.restoreCheckpoints || !(await holdsCheckpoint(deps, image.Id)))
      return undefined;
  }
  return { kind: 'image', id: image.Id };
}

/** After each full reading of the Engine: what no container is to be restored from goes. */
export function sweepRestores({ mirror, restores }: Pick<CriDeps, 'mirror' | 'restores'>): void {
  mirror.subscribe({
    onResync: () => {
      const names = [...mirror.lastKnown.containers.values()]
        .filter(({ status }) => status === 'created')
        .map((container) => toldAdjustments(container).restore);
      void restores.sweep((name) => names.includes(name));
    },
  });
}

async function holdsCheckpoint(deps: Deps, imageId: string): Promise<boolean> {
  return withScratchContainer(deps, imageId, async (id) => {
    const found = await Promise.all(FILES.map((path) => deps.engine.statPath(id, path)));
    return found.every((file) => file !== undefined);
  });
}

/** FAILED_PRECONDITION, that names the field with a checkpoint, where restores are not switched on. */
export function requireRestores({ restoreCheckpoints }: CriDeps['settings'], field = RESTORE_FIELD): void {
  if (restoreCheckpoints) return;
  const message = `${field}: is a checkpoint, and to restore them is switched off (--restore-checkpoints)`;
  throw new CriError(Code.FAILED_PRECONDITION, message);
}
