import { containerPhase } from '../convert/container/container-state.js';
import { parseLabels, type ContainerLabelFacts, type SandboxLabelFacts } from '../convert/text/labels.js';
import { NAME, parseName, type ParsedName } from '../convert/text/names.js';
import { sandboxFacts } from '../convert/sandbox/sandbox-facts.js';
import { parseTimeNs } from '../convert/text/timestamps.js';
import type { ContainerInspect } from '../docker/types.js';
import { NamespaceMode } from '../gen/runtime/v1/NamespaceMode.js';
import type { Logger } from '../util/log.js';
import type { ContainerRecord, ObjectRecord, SandboxRecord } from './records.js';

/** What an inspect alone does not tell. */
export interface RecordSources {
  /** The pod's addresses, or undefined while it has no network. */
  addresses: (inspect: ContainerInspect) => Promise<string[] | undefined>;
  /** How the container's image is named to CRI. */
  image: (inspect: ContainerInspect, labels: ContainerLabelFacts) => Promise<ContainerRecord['image']>;
  log: Logger;
}

/**
 * Reads a Docker container into a record; undefined when it is not ours. One that was renamed goes by the name that it was
 * made with; cri-dockerd's do not keep that, and are left out when their name does not tell their metadata.
 */
export async function readRecord(
  inspect: ContainerInspect,
  sources: RecordSources,
): Promise<ObjectRecord | undefined> {
  const labels = parseLabels(inspect.Config.Labels);
  if (labels === undefined) return undefined;
  const dockerName = withoutSlash(inspect.Name);
  const name = named(dockerName, labels.kind) ?? named(labels.own[NAME] ?? '', labels.kind);
  if (name === undefined) {
    sources.log.warn('a container with the labels of a pod but a foreign name is left out', {
      containerId: inspect.Id,
      name: dockerName,
    });
    return undefined;
  }
  return labels.kind === 'sandbox'
    ? readSandbox(inspect, name, labels, sources)
    : readContainer(inspect, name, labels, sources);
}

/** The name that an object goes by, and what it tells. */
type Named = ParsedName & { readonly name: string };

function named(name: string, kind: ParsedName['kind']): Named | undefined {
  const parsed = parseName(name);
  return parsed?.kind === kind ? { ...parsed, name } : undefined;
}

async function readSandbox(
  inspect: ContainerInspect,
  name: Named,
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
    name: name.name,
    identity: { name: name.podName, namespace: name.namespace, uid: name.uid, attempt: name.attempt },
    labels,
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
  name: Named,
  labels: ContainerLabelFacts,
  sources: RecordSources,
): Promise<ContainerRecord> {
  const createdAtNs = parseTimeNs(inspect.Created);
  return {
    kind: 'container',
    id: inspect.Id,
    name: name.name,
    sandboxId: labels.sandboxId,
    metadata: { name: name.containerName, attempt: name.attempt },
    labels,
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

function withoutSlash(name: string): string {
  return name.replace(/^\//, '');
}
