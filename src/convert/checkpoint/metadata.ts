import type { ContainerStatus } from '../../gen/runtime/v1/ContainerStatus.js';
import { exactJsonText, readExactJson } from '../companion/exact-json.js';

/** Names in an archive, as checkpointctl, CRI-O and containerd have them. */
export const CONFIG_DUMP = 'config.dump';
export const SPEC_DUMP = 'spec.dump';
export const STATUS_DUMP = 'status.dump';

/** What archives tell of the container that they were made of. */
export interface CheckpointFacts {
  readonly id: string;
  /** The container's name on the node. */
  readonly name: string;
  readonly containerName: string;
  readonly pod: {
    readonly id: string;
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
  };
  readonly annotations: Readonly<Record<string, string>>;
  /** As CRI tells it: the image's name, and its name with digest where it has one, else its id. */
  readonly image: { readonly name: string; readonly ref: string };
  readonly runtime: string;
  readonly createdAt: Date;
  readonly checkpointedAt: Date;
  readonly isRestored: boolean;
}

/** Go's zero time. */
const NEVER = '0001-01-01T00:00:00Z';
/** How kubelets know a shim of Docker to name images by digest, and by id. */
const SCHEME = /^docker(?:-pullable)?:\/\//;

/** The text of config.dump. */
export function configDump(facts: CheckpointFacts): string {
  return JSON.stringify(
    {
      id: facts.id,
      name: facts.name,
      rootfsImage: facts.image.name,
      rootfsImageRef: facts.image.ref.replace(SCHEME, ''),
      rootfsImageName: facts.image.name,
      runtime: facts.runtime,
      createdTime: facts.createdAt.toISOString(),
      checkpointedTime: facts.checkpointedAt.toISOString(),
      restoredTime: NEVER,
      restored: facts.isRestored,
    },
    undefined,
    2,
  );
}

/** The text of spec.dump: config.json, with the annotations by which others tell whose it was. Throws for what is no JSON. */
export function specDump(config: string, facts: CheckpointFacts): string {
  const spec = readExactJson(config) as { annotations?: Record<string, string> };
  const { pod } = facts;
  return exactJsonText({
    ...spec,
    annotations: {
      ...spec.annotations,
      'io.kubernetes.cri.container-type': 'container',
      'io.kubernetes.cri.container-name': facts.containerName,
      'io.kubernetes.cri.sandbox-id': pod.id,
      'io.kubernetes.cri.sandbox-name': pod.name,
      'io.kubernetes.cri.sandbox-namespace': pod.namespace,
      'io.kubernetes.cri.sandbox-uid': pod.uid,
      'io.kubernetes.cri.image-name': facts.image.name,
      // CRI-O restores nothing without it.
      'io.kubernetes.cri-o.Annotations': JSON.stringify(facts.annotations),
    },
  });
}

/** The text of status.dump, a ContainerStatus as Go writes it in JSON: numbers of 64 bits are numbers. */
export function statusDump(status: ContainerStatus): string {
  const { id, metadata, state, image, image_ref, labels, annotations, log_path } = status;
  const rest = JSON.stringify({ id, metadata, state, image, image_ref, labels, annotations, log_path });
  const times = `"created_at":${BigInt(String(status.created_at ?? 0))},"started_at":${BigInt(String(status.started_at ?? 0))}`;
  return `{${times},${rest.slice(1)}`;
}
