import type { ContainerPhase } from '../convert/container/container-state.js';
import type { ContainerLabelFacts, SandboxLabelFacts } from '../convert/text/labels.js';
import type { SandboxFacts } from '../convert/sandbox/sandbox-facts.js';
import type { ContainerInspect, ContainerStatusWord } from '../docker/types.js';
import { NamespaceMode } from '../gen/runtime/v1/NamespaceMode.js';

/** Why a record may not tell all, or not the latest, of its object; it is read again with growing pauses. */
export interface RecordProblem {
  /** One CamelCase word. */
  readonly reason: 'CannotBeRead' | 'NotAnswered' | 'AddressesUnknown' | 'ImageUnknown';
  readonly message: string;
  /** Unix ms. */
  readonly sinceMs: number;
  /** It took too long for others to wait: the next reading may tell. */
  readonly isLate?: true;
}

/** The identity of a pod sandbox, as CRI's PodSandboxMetadata. */
export interface SandboxIdentity {
  name: string;
  namespace: string;
  uid: string;
  attempt: number;
}

/**
 * What cridock knows of one pod sandbox: an immutable reading of its Docker container, replaced as a whole
 * at each refresh. Whatever can be derived from it (READY, list entries) is derived, not stored.
 */
export interface SandboxRecord {
  readonly kind: 'sandbox';
  readonly id: string;
  readonly name: string;
  readonly identity: SandboxIdentity;
  /** CRI labels and annotations as given, and the facts that are kept beside them. */
  readonly labels: SandboxLabelFacts;
  /** As `Recognised.sealed`. */
  readonly sealed: boolean;
  readonly createdAtNs: bigint;
  readonly status: ContainerStatusWord;
  /** Host pid of the pause process, 0 when it does not run. */
  readonly pid: number;
  /** Path of the network namespace while it runs, else ''. */
  readonly netnsPath: string;
  /** What it was asked to be, as far as labels and Docker's record tell. */
  readonly facts: SandboxFacts;
  /** The pod's addresses, the primary first; undefined while the pod has no network. Empty with host network. */
  readonly ips: readonly string[] | undefined;
  /** What the Engine told at the last reading; of an object that it could not read (`problem`), as far as its list goes. */
  readonly inspect: ContainerInspect;
  readonly problem?: RecordProblem | undefined;
}

/** What cridock knows of one workload container. Immutable, as SandboxRecord. */
export interface ContainerRecord {
  readonly kind: 'container';
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  /** CRI's ContainerMetadata. */
  readonly metadata: { name: string; attempt: number };
  readonly labels: ContainerLabelFacts;
  /** As `Recognised.sealed`. */
  readonly sealed: boolean;
  readonly createdAtNs: bigint;
  readonly status: ContainerStatusWord;
  /** Where it is in its life, in CRI's words. */
  readonly phase: ContainerPhase;
  readonly pid: number;
  /** How the container's image is named to CRI, settled when the container was created. */
  readonly image: { name: string; ref: string; id: string };
  /** As SandboxRecord's. */
  readonly inspect: ContainerInspect;
  readonly problem?: RecordProblem | undefined;
}

export type ObjectRecord = SandboxRecord | ContainerRecord;

/** True while the sandbox's process lives and its network is up: CRI's SANDBOX_READY. */
export function isReady(sandbox: SandboxRecord): boolean {
  return isAlive(sandbox) && sandbox.ips !== undefined;
}

/** True for the states that CRI calls running: it has no word for paused, nor for a restart by Docker, which may have no process for a moment. */
export function isAlive(record: ObjectRecord): boolean {
  return record.status === 'running' || record.status === 'paused' || record.status === 'restarting';
}

/** True unless it has certainly no process. What the Engine could not read may have one, whatever its list says. */
export function mayRun(record: ObjectRecord): boolean {
  return isAlive(record) || isUnread(record);
}

/** True when the Engine could not tell of it at the last reading. */
export function isUnread({ problem }: ObjectRecord): boolean {
  return problem?.reason === 'CannotBeRead' || problem?.reason === 'NotAnswered';
}

/** True when the pod is in the host's network: then there is nothing to attach or detach. */
export function isHostNetwork(sandbox: SandboxRecord): boolean {
  return sandbox.facts.network === NamespaceMode.NODE;
}

/**
 * A fact of cridock's own that decides on confinement or identity: only where cridock wrote it, since a user of Docker may have
 * given the others any labels.
 */
export function ownFact({ sealed, labels }: ObjectRecord, name: string): string | undefined {
  return sealed ? labels.own[name] : undefined;
}
