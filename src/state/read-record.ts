import { containerPhase } from '../convert/container/container-state.js';
import type { ContainerLabelFacts, SandboxLabelFacts } from '../convert/text/labels.js';
import { sandboxFacts } from '../convert/sandbox/sandbox-facts.js';
import { parseTimeNs } from '../convert/text/timestamps.js';
import type { ContainerInspect } from '../docker/types.js';
import { NamespaceMode } from '../gen/runtime/v1/NamespaceMode.js';
import type { Logger } from '../util/log.js';
import { recognise, type RecognitionSources, type Recognised } from './recognise.js';
import type { ContainerRecord, ObjectRecord, SandboxRecord } from './records.js';

/** What an inspect alone does not tell. */
export interface RecordSources extends RecognitionSources {
  /** The pod's addresses, or undefined while it has no network. */
  addresses: (inspect: ContainerInspect) => Promise<string[] | undefined>;
  /** How the container's image is named to CRI. */
  image: (inspect: ContainerInspect, labels: ContainerLabelFacts) => Promise<ContainerRecord['image']>;
  log: Logger;
}

/**
 * Reads a Docker container into a record; undefined when it is not ours (`recognise`). One that was renamed goes by the name
 * that it was made with; cri-dockerd's do not keep that, and are left out when their name does not tell their metadata.
 */
export async function readRecord(
  inspect: ContainerInspect,
  sources: RecordSources,
): Promise<ObjectRecord | undefined> {
  const recognised = await recognise(inspect, sources);
  if (recognised === undefined) {
    sources.log.warn('a container with the labels of a pod that is no part of one is left out', {
      containerId: inspect.Id,
      name: inspect.Name.replace(/^\//, ''),
    });
    return undefined;
  }
  return recognised.labels.kind === 'sandbox'
    ? readSandbox(inspect, recognised, recognised.labels, sources)
    : readContainer(inspect, recognised, recognised.labels, sources);
}

async function readSandbox(
  inspect: ContainerInspect,
  { name, parsed, sealed }: Recognised,
  labels: SandboxLabelFacts,
  sources: RecordSources,
): Promise<SandboxRecord> {
  const { State: state } = inspect;
  const facts = sandboxFacts(labels, inspect.HostConfig);
  const hostNetwork = facts.network === NamespaceMode.NODE;
  const running = state.Running; // also while paused: its namespaces are there
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
    ips: hostNetwork ? [] : running ? await sources.addresses(inspect) : undefined,
    inspect,
  };
}

async function readContainer(
  inspect: ContainerInspect,
  { name, parsed, sealed }: Recognised,
  labels: ContainerLabelFacts,
  sources: RecordSources,
): Promise<ContainerRecord> {
  const createdAtNs = parseTimeNs(inspect.Created);
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
    image: await sources.image(inspect, labels),
    inspect,
  };
}

/** Docker's own handle on the namespace where it tells one, else the process's. */
function netnsPath(inspect: ContainerInspect): string {
  return inspect.NetworkSettings?.SandboxKey || `/proc/${inspect.State.Pid}/ns/net`;
}
