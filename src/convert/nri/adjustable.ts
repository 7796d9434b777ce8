import type { CompanionUse } from '../companion/asked-adjustments.js';
import { ADJUSTMENTS, adjustmentsFact } from '../companion/adjustments.js';
import type { ContainerCreateBody } from '../../docker/types.js';
import { OWN_LABEL_PREFIX } from '../text/labels.js';

/** The fact of cridock's own that says that plugins were to be asked about the container: it is not whole before they were. */
export const ASKED = 'nri-asked';

/** The body of a container that plugins may refuse, and no more. */
export function judgedBody(body: ContainerCreateBody): ContainerCreateBody {
  return adjustableBody(body, { runtime: undefined });
}

/**
 * The body of a container that plugins may adjust: they are, once it has an id, and by then its runtime cannot be changed any
 * more. So it gets the companion runtime where there is one, whatever comes of it.
 */
export function adjustableBody(
  body: ContainerCreateBody,
  { runtime }: Pick<CompanionUse, 'runtime'>,
): ContainerCreateBody {
  const needsNoCompanion = body.Labels?.[OWN_LABEL_PREFIX + ADJUSTMENTS] === undefined;
  const own = { [ASKED]: 'true', ...(runtime !== undefined && needsNoCompanion && adjustmentsFact({})) };
  const labels = Object.entries(own).map(([name, text]) => [OWN_LABEL_PREFIX + name, text]);
  return {
    ...body,
    Labels: { ...body.Labels, ...(Object.fromEntries(labels) as Record<string, string>) },
    HostConfig: { ...body.HostConfig, ...(runtime !== undefined && { Runtime: runtime }) },
  };
}
