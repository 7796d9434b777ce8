import type { ContainerStatsFilter__Output } from '../../gen/runtime/v1/ContainerStatsFilter.js';
import type { ContainerStatsRequest__Output } from '../../gen/runtime/v1/ContainerStatsRequest.js';
import { isAlive, type ContainerRecord } from '../../state/records.js';
import { inBatches } from '../../util/batches.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply, joined } from '../../util/encoded-reply.js';
import { containersMatching } from './list.js';
import type { CriDeps } from '../deps.js';
import { imageRoot } from '../../images/root.js';
import { containerOrThrow } from '../lookup.js';
import type { WriteFigures } from '../../stats/stats-entries.js';
import {
  readUsage,
  writeCpu,
  writeIo,
  writeLayer,
  writeMemory,
  writeSwap,
  type Usage,
} from '../../stats/usage-messages.js';

/** What it takes to measure containers. */
export type ContainerStatsDeps = Pick<CriDeps, 'containerStatsEntries' | 'mirror' | 'statistics'>;

/**
 * Those who poll list containers and pods in a row, and both lists hold the containers' figures: they may be this old. They
 * carry the time at which they were read.
 */
export const LIST_MAX_AGE_MS = 1_000;

/** Measures one container (CRI: ContainerStats). Of one that does not run only the writable layer is known. */
export async function containerStats(
  deps: ContainerStatsDeps,
  request: ContainerStatsRequest__Output,
  ctx: CallContext,
): Promise<EncodedReply> {
  const container = containerOrThrow(await deps.mirror.current(ctx.signal), request.container_id);
  const mountpoint = await imageRoot(deps.mirror.facts?.info);
  const entries = deps.containerStatsEntries;
  const entry = entries.encode(container, figures(deps, container, usageOf(deps, container), mountpoint));
  return new EncodedReply(entries.reply([entry])); // laid out as the list's reply
}

/**
 * Measures the containers that match the filter (CRI: ListContainerStats). Of those that do not run the writable layer
 * alone is told; one that ends meanwhile is left out. Never asks the Engine.
 */
export async function listContainerStats(
  deps: ContainerStatsDeps,
  { filter }: { filter: ContainerStatsFilter__Output | null },
  ctx: CallContext,
): Promise<EncodedReply> {
  return joined(streamContainerStats(deps, { filter }, ctx));
}

/** ListContainerStats as a stream (CRI: StreamContainerStats); its messages are laid out as that one's reply. */
export async function* streamContainerStats(
  deps: ContainerStatsDeps,
  { filter }: { filter: ContainerStatsFilter__Output | null },
  ctx: CallContext,
): AsyncGenerator<EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const mountpoint = await imageRoot(deps.mirror.facts?.info);
  const containers = [...containersMatching(picture, filter)];
  for await (const batch of inBatches(statsEntries(deps, containers, mountpoint))) {
    yield new EncodedReply(deps.containerStatsEntries.reply(batch));
  }
}

/** The container's entry in lists, encoded; undefined for one that runs no more though its record says so. */
export function containerEntry(
  deps: Pick<CriDeps, 'containerStatsEntries' | 'statistics'>,
  container: ContainerRecord,
  mountpoint: string,
  maxAgeMs: number,
): Buffer | undefined {
  const measure = (): WriteFigures | undefined => {
    const usage = usageOf(deps, container);
    if (usage === undefined && isAlive(container)) return undefined;
    return figures(deps, container, usage, mountpoint);
  };
  return deps.containerStatsEntries.entry(container, measure, maxAgeMs);
}

/** The container's use; undefined when it does not run or has just ended. */
function usageOf({ statistics }: Pick<CriDeps, 'statistics'>, container: ContainerRecord): Usage | undefined {
  const probe = isAlive(container) ? statistics.probes.of(container.id) : undefined;
  return probe && readUsage(probe.cgroup, probe.rate);
}

/** Field numbers of ContainerStats. */
const CPU_FIELD = 2;
const MEMORY_FIELD = 3;
const LAYER_FIELD = 4;
const SWAP_FIELD = 5;
const IO_FIELD = 6;

/** How to write what is known of the container's use. */
function figures(
  { statistics }: Pick<CriDeps, 'statistics'>,
  { id }: ContainerRecord,
  usage: Usage | undefined,
  mountpoint: string,
): WriteFigures {
  return (writer) => {
    writeLayer(writer, LAYER_FIELD, statistics.layers.sizeOf(id), mountpoint);
    if (usage === undefined) return;
    writeCpu(writer, CPU_FIELD, usage);
    writeMemory(writer, MEMORY_FIELD, usage);
    writeSwap(writer, SWAP_FIELD, usage);
    writeIo(writer, IO_FIELD, usage);
  };
}

function* statsEntries(
  deps: Pick<CriDeps, 'containerStatsEntries' | 'statistics'>,
  containers: readonly ContainerRecord[],
  mountpoint: string,
): Generator<Buffer> {
  for (const container of containers) {
    const entry = containerEntry(deps, container, mountpoint, LIST_MAX_AGE_MS);
    if (entry !== undefined) yield entry;
  }
}
