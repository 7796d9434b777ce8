import { invalidArgument } from '../../util/cri-error.js';
import type { ContainerMetadata__Output } from '../../gen/runtime/v1/ContainerMetadata.js';
import type { PodSandboxMetadata__Output } from '../../gen/runtime/v1/PodSandboxMetadata.js';

/** The metadata of a sandbox or container, as its Docker name keeps it. */
export interface ParsedName {
  kind: 'sandbox' | 'container';
  /** `POD` for a sandbox. */
  containerName: string;
  podName: string;
  namespace: string;
  uid: string;
  /** Of the container, or of the sandbox itself. */
  attempt: number;
}

/** The fact of cridock's own that repeats the Docker name: the container may be renamed behind cridock's back. */
export const NAME = 'name';

const PREFIX = 'k8s';
const SEPARATOR = '_';
const SANDBOX_CONTAINER_NAME = 'POD';
/** The longest name that Kubernetes allows. */
const MAX_FIELD_LENGTH = 253;
const MAX_ATTEMPT = 2 ** 32 - 1;

/** What Docker takes in a container name, without the underscore that separates our fields. */
const FIELD_PATTERN = /^[A-Za-z0-9.-]*$/;

/**
 * `k8s_POD_<pod>_<namespace>_<uid>_<attempt>`, the name that cri-dockerd gives to a sandbox's container.
 * It is where the metadata is kept, so values that would not parse back are refused with INVALID_ARGUMENT.
 */
export function sandboxName(metadata: PodSandboxMetadata__Output): string {
  checkPodFields(metadata, 'config.metadata');
  return join(SANDBOX_CONTAINER_NAME, metadata, metadata.attempt);
}

/** `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`; `pod` is the metadata of its sandbox. */
export function containerName(metadata: ContainerMetadata__Output, pod: PodSandboxMetadata__Output): string {
  checkField('config.metadata.name', metadata.name);
  if (metadata.name === '') throw invalidArgument('config.metadata.name', 'must not be empty');
  if (metadata.name === SANDBOX_CONTAINER_NAME) {
    throw invalidArgument(
      'config.metadata.name',
      `${SANDBOX_CONTAINER_NAME} is the name of the sandbox's own container`,
    );
  }
  checkPodFields(pod, 'sandbox_config.metadata');
  return join(metadata.name, pod, metadata.attempt);
}

/**
 * The metadata in a Docker container name, with or without Docker's leading slash, or undefined when it is not
 * one of ours. A seventh field is what cri-dockerd appends when the six-field name was taken.
 */
export function parseName(name: string): ParsedName | undefined {
  const fields = name.replace(/^\//, '').split(SEPARATOR);
  if (fields.length !== 6 && fields.length !== 7) return undefined;
  const [prefix, container = '', podName = '', namespace = '', uid = '', attemptText = ''] = fields;
  const attempt = Number(attemptText);
  if (prefix !== PREFIX || !/^\d+$/.test(attemptText) || attempt > MAX_ATTEMPT) return undefined;
  const kind = container === SANDBOX_CONTAINER_NAME ? 'sandbox' : 'container';
  return { kind, containerName: container, podName, namespace, uid, attempt };
}

function join(container: string, pod: PodSandboxMetadata__Output, attempt: number): string {
  return [PREFIX, container, pod.name, pod.namespace, pod.uid, attempt].join(SEPARATOR);
}

function checkPodFields(metadata: PodSandboxMetadata__Output, field: string): void {
  if (metadata.name === '') throw invalidArgument(`${field}.name`, 'must not be empty');
  checkField(`${field}.name`, metadata.name);
  checkField(`${field}.namespace`, metadata.namespace);
  checkField(`${field}.uid`, metadata.uid);
}

function checkField(field: string, value: string): void {
  if (value.length > MAX_FIELD_LENGTH)
    throw invalidArgument(field, `is longer than ${MAX_FIELD_LENGTH} characters`);
  if (!FIELD_PATTERN.test(value)) {
    throw invalidArgument(field, 'must hold nothing but ASCII letters, digits, "." and "-"');
  }
}
