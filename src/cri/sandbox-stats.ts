import type { LinuxPodSandboxStats } from '../gen/runtime/v1/LinuxPodSandboxStats.js';
import type { PodSandboxStats } from '../gen/runtime/v1/PodSandboxStats.js';
import type { PodSandboxStatsFilter__Output } from '../gen/runtime/v1/PodSandboxStatsFilter.js';
import type { PodSandboxStatsRequest__Output } from '../gen/runtime/v1/PodSandboxStatsRequest.js';
import type { PodSandboxStatsResponse } from '../gen/runtime/v1/PodSandboxStatsResponse.js';
import type { Picture } from '../state/picture.js';
import { isAlive, isHostNetwork, type ContainerRecord, type SandboxRecord } from '../state/records.js';
import { inBatches } from '../util/batches.js';
import type { CallContext } from '../util/call-context.js';
import { EncodedReply } from '../util/encoded-reply.js';
import { WireWriter, insideOf } from '../util/wire-writer.js';
import { LIST_MAX_AGE_MS, containerEntry } from './container-stats.js';
import type { CriDeps } from './deps.js';
import { imageRoot } from './image-fs-info.js';
import { sandboxOrThrow } from './lookup.js';
import { processCount, summedCgroup } from './pod-sum.js';
import { sandboxesMatching } from './sandbox-list.js';
import type { StatsEntries } from './stats-entries.js';
import { cpuUsage, ioUsage, memoryUsage, networkUsage, timestampNs } from './usage-messages.js';

/** The encoded entries of ListPodSandboxStats. */
export type SandboxStatsEntries = StatsEntries<SandboxRecord, PodSandboxStats>;

/** Measures one pod (CRI: PodSandboxStats). Of one that does not run nothing is known; kubelets want `linux` all the same. */
export async function podSandboxStats(
  deps: CriDeps,
  request: PodSandboxStatsRequest__Output,
  ctx: CallContext,
): Promise<PodSandboxStatsResponse | EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const sandbox = sandboxOrThrow(picture, request.pod_sandbox_id);
  const mountpoint = await imageRoot(deps.mirror.facts?.info);
  const entry = sandboxEntry(deps, picture, sandbox, mountpoint, 0);
  if (entry === undefined) return { stats: { ...sandboxAttributes(sandbox), linux: {} } };
  return new EncodedReply(deps.sandboxStatsEntries.reply([entry])); // laid out as the list's reply
}

/**
 * Measures the running pods that match the filter (CRI: ListPodSandboxStats). One that ends meanwhile is left out.
 * Never asks the Engine.
 */
export async function listPodSandboxStats(
  deps: CriDeps,
  { filter }: { filter: PodSandboxStatsFilter__Output | null },
  ctx: CallContext,
): Promise<EncodedReply> {
  const batches: Buffer[] = [];
  for await (const { bytes } of streamPodSandboxStats(deps, { filter }, ctx)) batches.push(bytes);
  return new EncodedReply(Buffer.concat(batches));
}

/** ListPodSandboxStats as a stream (CRI: StreamPodSandboxStats); its messages are laid out as that one's reply. */
export async function* streamPodSandboxStats(
  deps: CriDeps,
  { filter }: { filter: PodSandboxStatsFilter__Output | null },
  ctx: CallContext,
): AsyncGenerator<EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const mountpoint = await imageRoot(deps.mirror.facts?.info);
  const sandboxes = [...sandboxesMatching(picture, filter)];
  for await (const batch of inBatches(statsEntries(deps, picture, sandboxes, mountpoint))) {
    yield new EncodedReply(deps.sandboxStatsEntries.reply(batch));
  }
}

/** The entry with nothing but what tells whose it is. */
export function sandboxAttributes({ id, identity, labels }: SandboxRecord): PodSandboxStats {
  return { attributes: { id, metadata: identity, labels: labels.labels, annotations: labels.annotations } };
}

function* statsEntries(
  deps: CriDeps,
  picture: Picture,
  sandboxes: readonly SandboxRecord[],
  mountpoint: string,
): Generator<Buffer> {
  for (const sandbox of sandboxes) {
    const entry = sandboxEntry(deps, picture, sandbox, mountpoint, LIST_MAX_AGE_MS);
    if (entry !== undefined) yield entry;
  }
}

/** Field numbers of PodSandboxStats and of LinuxPodSandboxStats. */
const LINUX_FIELD = 2;
const CONTAINERS_FIELD = 5;

/** The pod's entry, encoded; undefined when it does not run. The entries of its containers are in it as they are. */
function sandboxEntry(
  deps: CriDeps,
  picture: Picture,
  sandbox: SandboxRecord,
  mountpoint: string,
  containersMaxAgeMs: number,
): Buffer | undefined {
  return deps.sandboxStatsEntries.entry(sandbox, () => {
    const members = picture.membersOf(sandbox.id).filter(isAlive);
    const figures = sandboxFigures(deps, sandbox, members);
    if (figures === undefined) return undefined;
    const linux = new WireWriter();
    linux.bytes(insideOf(deps.sandboxStatsEntries.encode({ linux: figures })));
    for (const member of members) {
      const entry = containerEntry(deps, member, mountpoint, containersMaxAgeMs);
      if (entry !== undefined) linux.field(CONTAINERS_FIELD, entry);
    }
    const entry = new WireWriter();
    entry.field(LINUX_FIELD, linux.take());
    return entry.take();
  });
}

/** The use of the pod as a whole; undefined when it does not run or has just ended. */
function sandboxFigures(
  deps: CriDeps,
  sandbox: SandboxRecord,
  members: readonly ContainerRecord[],
): LinuxPodSandboxStats | undefined {
  const probe = isAlive(sandbox) ? deps.statistics.probes.of(sandbox.id) : undefined;
  if (probe === undefined) return undefined;
  const probes = [probe, ...members.map(({ id }) => deps.statistics.probes.of(id))].filter(
    (each) => each !== undefined,
  );
  const { cgroup, rate } = probe.pod ?? summedCgroup(probes);
  const cpu = cpuUsage(cgroup, rate);
  const memory = cgroup.memory();
  if (cpu === undefined || memory === undefined) return undefined;
  return {
    cpu,
    memory: memoryUsage(memory, cgroup.pressure('memory')),
    io: ioUsage(cgroup.pressure('io')),
    network: isHostNetwork(sandbox) ? null : networkUsage(deps.statistics.probes.interfaces(sandbox.pid)),
    process: { timestamp: timestampNs(Date.now()), process_count: { value: processCount(probes) } },
  };
}
