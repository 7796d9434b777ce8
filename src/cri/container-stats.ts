import type { ContainerStats } from '../gen/runtime/v1/ContainerStats.js';
import type { ContainerStatsFilter__Output } from '../gen/runtime/v1/ContainerStatsFilter.js';
import type { ContainerStatsRequest__Output } from '../gen/runtime/v1/ContainerStatsRequest.js';
import type { ContainerStatsResponse } from '../gen/runtime/v1/ContainerStatsResponse.js';
import { isAlive, type ContainerRecord } from '../state/records.js';
import { inBatches } from '../util/batches.js';
import type { CallContext } from '../util/call-context.js';
import { EncodedReply } from '../util/encoded-reply.js';
import { containersMatching } from './container-list.js';
import type { CriDeps } from './deps.js';
import { imageRoot } from './image-fs-info.js';
import { containerOrThrow } from './lookup.js';
import type { StatsEntries } from './stats-entries.js';
import { cpuUsage, ioUsage, layerUsage, memoryUsage, swapUsage } from './usage-messages.js';

/** The encoded entries of ListContainerStats. */
export type ContainerStatsEntries = StatsEntries<ContainerRecord, ContainerStats>;

/**
 * Those who poll list containers and pods in a row, and both lists hold the containers' figures: they may be this old. They
 * carry the time at which they were read.
 */
export const LIST_MAX_AGE_MS = 1_000;

/** Measures one container (CRI: ContainerStats). Of one that does not run only the writable layer is known. */
export async function containerStats(
  deps: CriDeps,
  request: ContainerStatsRequest__Output,
  ctx: CallContext,
): Promise<ContainerStatsResponse> {
  const container = containerOrThrow(await deps.mirror.current(ctx.signal), request.container_id);
  const mountpoint = await imageRoot(deps.mirror.facts?.info);
  return { stats: { ...containerAttributes(container), ...containerFigures(deps, container, mountpoint) } };
}

/**
 * Measures the containers that match the filter (CRI: ListContainerStats). Of those that do not run the writable layer
 * alone is told; one that ends meanwhile is left out. Never asks the Engine.
 */
export async function listContainerStats(
  deps: CriDeps,
  { filter }: { filter: ContainerStatsFilter__Output | null },
  ctx: CallContext,
): Promise<EncodedReply> {
  const batches: Buffer[] = [];
  for await (const { bytes } of streamContainerStats(deps, { filter }, ctx)) batches.push(bytes);
  return new EncodedReply(Buffer.concat(batches));
}

/** ListContainerStats as a stream (CRI: StreamContainerStats); its messages are laid out as that one's reply. */
export async function* streamContainerStats(
  deps: CriDeps,
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
  deps: CriDeps,
  container: ContainerRecord,
  mountpoint: string,
  maxAgeMs: number,
): Buffer | undefined {
  const measure = (): Buffer | undefined => {
    const figures = containerFigures(deps, container, mountpoint);
    if (isAlive(container) && !figures.cpu) return undefined;
    return deps.containerStatsEntries.encode(figures);
  };
  return deps.containerStatsEntries.entry(container, measure, maxAgeMs);
}

/** The container's use as far as it is known; without `cpu` when it does not run or has just ended. */
function containerFigures(
  { statistics }: CriDeps,
  container: ContainerRecord,
  mountpoint: string,
): ContainerStats {
  const layer = layerUsage(statistics.layers.sizeOf(container.id), mountpoint);
  const probe = isAlive(container) ? statistics.probes.of(container.id) : undefined;
  const cpu = probe && cpuUsage(probe.cgroup, probe.rate);
  const memory = probe?.cgroup.memory();
  if (probe === undefined || cpu === undefined || memory === undefined) return { writable_layer: layer };
  return {
    cpu,
    memory: memoryUsage(memory, probe.cgroup.pressure('memory')),
    swap: swapUsage(memory),
    io: ioUsage(probe.cgroup.pressure('io')),
    writable_layer: layer,
  };
}

/** The entry with nothing but what tells whose it is. */
export function containerAttributes({ id, metadata, labels }: ContainerRecord): ContainerStats {
  return { attributes: { id, metadata, labels: labels.labels, annotations: labels.annotations } };
}

function* statsEntries(
  deps: CriDeps,
  containers: readonly ContainerRecord[],
  mountpoint: string,
): Generator<Buffer> {
  for (const container of containers) {
    const entry = containerEntry(deps, container, mountpoint, LIST_MAX_AGE_MS);
    if (entry !== undefined) yield entry;
  }
}
