import type { PodSandboxStatsFilter__Output } from '../../gen/runtime/v1/PodSandboxStatsFilter.js';
import type { PodSandboxStatsRequest__Output } from '../../gen/runtime/v1/PodSandboxStatsRequest.js';
import type { PodSandboxStatsResponse } from '../../gen/runtime/v1/PodSandboxStatsResponse.js';
import type { Picture } from '../../state/picture.js';
import { isAlive, isHostNetwork, type ContainerRecord, type SandboxRecord } from '../../state/records.js';
import { inBatches } from '../../util/batches.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply, joined } from '../../util/encoded-reply.js';
import { LIST_MAX_AGE_MS, containerEntry } from '../container/stats.js';
import type { CriDeps } from '../deps.js';
import { imageRoot } from '../../images/root.js';
import { sandboxOrThrow } from '../lookup.js';
import { summedCgroup } from '../../stats/pod-sum.js';
import { sandboxesMatching } from './list.js';
import type { WriteFigures } from '../../stats/stats-entries.js';
import {
  readUsage,
  writeCpu,
  writeIo,
  writeMemory,
  writeNetwork,
  writeProcesses,
} from '../../stats/usage-messages.js';
import { sandboxAttributes } from '../replies/sandbox-messages.js';

/** What it takes to measure pods. */
export type SandboxStatsDeps = Pick<
  CriDeps,
  'containerStatsEntries' | 'mirror' | 'sandboxStatsEntries' | 'statistics'
>;

/** Measures one pod (CRI: PodSandboxStats). Of one that does not run nothing is known; kubelets want `linux` all the same. */
export async function podSandboxStats(
  deps: SandboxStatsDeps,
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
  deps: SandboxStatsDeps,
  { filter }: { filter: PodSandboxStatsFilter__Output | null },
  ctx: CallContext,
): Promise<EncodedReply> {
  return joined(streamPodSandboxStats(deps, { filter }, ctx));
}

/** ListPodSandboxStats as a stream (CRI: StreamPodSandboxStats); its messages are laid out as that one's reply. */
export async function* streamPodSandboxStats(
  deps: SandboxStatsDeps,
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

function* statsEntries(
  deps: SandboxStatsDeps,
  picture: Picture,
  sandboxes: readonly SandboxRecord[],
  mountpoint: string,
): Generator<Buffer> {
  for (const sandbox of sandboxes) {
    const entry = sandboxEntry(deps, picture, sandbox, mountpoint, LIST_MAX_AGE_MS);
    if (entry !== undefined) yield entry;
  }
}

/** The pod's entry, encoded; undefined when it does not run. The entries of its containers are in it as they are. */
function sandboxEntry(
  deps: SandboxStatsDeps,
  picture: Picture,
  sandbox: SandboxRecord,
  mountpoint: string,
  containersMaxAgeMs: number,
): Buffer | undefined {
  const members = picture.membersOf(sandbox.id).filter(isAlive);
  return deps.sandboxStatsEntries.entry(sandbox, () => {
    const write = podFigures(deps, sandbox, members);
    if (write === undefined) return undefined;
    const containers = members.map((member) => containerEntry(deps, member, mountpoint, containersMaxAgeMs));
    return (writer) => {
      const linux = writer.begin(LINUX_FIELD);
      write(writer);
      for (const entry of containers) if (entry !== undefined) writer.encoded(CONTAINERS_FIELD, entry);
      writer.end(linux);
    };
  });
}

/** The field of PodSandboxStats, and those of LinuxPodSandboxStats. */
const LINUX_FIELD = 2;
const CPU_FIELD = 1;
const MEMORY_FIELD = 2;
const NETWORK_FIELD = 3;
const PROCESS_FIELD = 4;
const CONTAINERS_FIELD = 5;
const IO_FIELD = 6;

/** How to write the use of the pod as a whole; undefined when it does not run or has just ended. */
function podFigures(
  { statistics }: Pick<CriDeps, 'statistics'>,
  sandbox: SandboxRecord,
  members: readonly ContainerRecord[],
): WriteFigures | undefined {
  const probe = isAlive(sandbox) ? statistics.probes.of(sandbox.id) : undefined;
  if (probe === undefined) return undefined;
  const probes = [probe, ...members.map(({ id }) => statistics.probes.of(id))].filter(
    (each) => each !== undefined,
  );
  const { cgroup, rate } = probe.pod ?? summedCgroup(probes);
  const usage = readUsage(cgroup, rate);
  if (usage === undefined) return undefined;
  const interfaces = isHostNetwork(sandbox) ? [] : statistics.probes.interfaces(sandbox.id);
  // Threads, for those are what a PID limit counts; that of the pod's cgroup holds all below it.
  const processes = cgroup.threads() ?? 0;
  return (writer) => {
    writeCpu(writer, CPU_FIELD, usage);
    writeMemory(writer, MEMORY_FIELD, usage);
    writeIo(writer, IO_FIELD, usage);
    writeNetwork(writer, NETWORK_FIELD, interfaces, usage.atMs);
    writeProcesses(writer, PROCESS_FIELD, processes, usage.atMs);
  };
}
