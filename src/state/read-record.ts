import { containerPhase } from '../convert/container/container-state.js';
import type { ContainerLabelFacts, SandboxLabelFacts } from '../convert/text/labels.js';
import { sandboxFacts } from '../convert/sandbox/sandbox-facts.js';
import { parseTimeNs } from '../convert/text/timestamps.js';
import type { ContainerInspect } from '../docker/types.js';
import { NamespaceMode } from '../gen/runtime/v1/NamespaceMode.js';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { recognise, type RecognitionSources, type Recognised } from './recognise.js';
import type { ContainerRecord, ObjectRecord, RecordProblem, SandboxRecord } from './records.js';

/** So long a record waits for what an inspect alone does not tell. */
const LONGEST_JOIN_MS = 2_000;

/** What an inspect alone does not tell; each may fail, or hang, and costs the record nothing but itself. */
export interface RecordSources extends RecognitionSources {
  /** The pod's addresses, or undefined while it has no network. */
  addresses: (inspect: ContainerInspect) => Promise<string[] | undefined>;
  /** How the container's image is named to CRI. */
  image: (inspect: ContainerInspect, labels: ContainerLabelFacts) => Promise<ContainerRecord['image']>;
  log: Logger;
}

/**
 * Reads a Docker container into a record; undefined when it is not ours (`recognise`). One that was renamed goes by the name
 * that it was made with; cri-dockerd's do not keep that, and are left out when their name does not tell their metadata. Where a
 * source fails, the record has what `last` had, and says so (`problem`). Throws when it cannot be told whose it is.
 */
export async function readRecord(
  inspect: ContainerInspect,
  sources: RecordSources,
  last?: ObjectRecord,
): Promise<ObjectRecord | undefined> {
  const recognised = await inTime(recognise(inspect, sources, last));
  if (recognised === undefined) {
    sources.log.warn('a container with the labels of a pod that is no part of one is left out', {
      containerId: inspect.Id,
      name: inspect.Name.replace(/^\//, ''),
    });
    return undefined;
  }
  return recognised.labels.kind === 'sandbox'
    ? readSandbox(inspect, recognised, recognised.labels, sources, last)
    : readContainer(inspect, recognised, recognised.labels, sources, last);
}

async function readSandbox(
  inspect: ContainerInspect,
  { name, parsed, sealed }: Recognised,
  labels: SandboxLabelFacts,
  sources: RecordSources,
  last: ObjectRecord | undefined,
): Promise<SandboxRecord> {
  const { State: state } = inspect;
  const facts = sandboxFacts(labels, inspect.HostConfig);
  const hostNetwork = facts.network === NamespaceMode.NODE;
  const running = state.Running; // also while paused: its namespaces are there
  const isSameRun = last?.kind === 'sandbox' && last.inspect.State.StartedAt === state.StartedAt;
  const addresses =
    running && !hostNetwork
      ? await joined('AddressesUnknown', sources.addresses(inspect), isSameRun ? last.ips : undefined, last)
      : { value: hostNetwork ? [] : undefined };
  return {
    kind: 'sandbox',
    id: inspect.Id,
    name,
    identity: {
      name: parsed.podName,
      namespace: parsed.namespace,
      uid: parsed.uid,
      attempt: parsed.attempt,
    },
    labels,
    sealed,
    createdAtNs: parseTimeNs(inspect.Created),
    status: state.Status,
    pid: state.Pid,
    netnsPath: running ? netnsPath(inspect) : '',
    facts,
    ips: addresses.value,
    inspect,
    problem: addresses.problem,
  };
}

async function readContainer(
  inspect: ContainerInspect,
  { name, parsed, sealed }: Recognised,
  labels: ContainerLabelFacts,
  sources: RecordSources,
  last: ObjectRecord | undefined,
): Promise<ContainerRecord> {
  const createdAtNs = parseTimeNs(inspect.Created);
  const byItself = { name: inspect.Config.Image, ref: inspect.Image, id: inspect.Image };
  const known = last?.kind === 'container' ? last.image : byItself;
  const image = await joined('ImageUnknown', sources.image(inspect, labels), known, last);
  return {
    kind: 'container',
    id: inspect.Id,
    name,
    sandboxId: labels.sandboxId,
    metadata: { name: parsed.containerName, attempt: parsed.attempt },
    labels,
    sealed,
    createdAtNs,
    status: inspect.State.Status,
    phase: containerPhase(inspect.State, createdAtNs),
    pid: inspect.State.Pid,
    image: image.value,
    inspect,
    problem: image.problem,
  };
}

/** What a source tells, or what stands in for it when it fails or takes too long. */
async function joined<T>(
  reason: RecordProblem['reason'],
  source: Promise<T>,
  standIn: T,
  last: ObjectRecord | undefined,
): Promise<{ value: T; problem?: RecordProblem }> {
  try {
    return { value: await inTime(source) };
  } catch (error) {
    const sinceMs = last?.problem?.sinceMs ?? Date.now();
    const problem = { reason, message: messageOf(error), sinceMs };
    return { value: standIn, problem: error instanceof TooLong ? { ...problem, isLate: true } : problem };
  }
}

class TooLong extends Error {
  constructor() {
    super(`no answer for ${LONGEST_JOIN_MS / 1_000}s`);
  }
}

async function inTime<T>(source: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const tell = (): void => reject(new TooLong());
    timer = setTimeout(tell, LONGEST_JOIN_MS);
  });
  try {
    return await Promise.race([source, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/** Docker's own handle on the namespace where it tells one, else the process's. */
function netnsPath(inspect: ContainerInspect): string {
  return inspect.NetworkSettings?.SandboxKey || `/proc/${inspect.State.Pid}/ns/net`;
}
