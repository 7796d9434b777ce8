/** What is kept in the Docker labels of a sandbox or a container. */
export interface LabelFacts {
  /** CRI labels. */
  labels: Record<string, string>;
  /** CRI annotations. */
  annotations: Record<string, string>;
  /**
   * Facts of cridock's own, by names such as `image`, kept as `io.cridock.image`. They must outlive a restart
   * and cri-dockerd has no place for them.
   */
  own: Record<string, string>;
}

export type SandboxLabelFacts = LabelFacts;

export interface ContainerLabelFacts extends LabelFacts {
  sandboxId: string;
  /** Absolute path of the CRI log file, '' for none. */
  logPath: string;
}

/** What `parseLabels` reads. */
export type ParsedLabels =
  ({ kind: 'sandbox' } & SandboxLabelFacts) | ({ kind: 'container' } & ContainerLabelFacts);

/** The label that marks every container made for the CRI, by cridock as by cri-dockerd. */
export const KIND_LABEL = 'io.kubernetes.docker.type';
const SANDBOX_ID_LABEL = 'io.kubernetes.sandbox.id';

export const SANDBOX_KIND = 'podsandbox';
const CONTAINER_KIND = 'container';
const LOG_PATH_LABEL = 'io.kubernetes.container.logpath';
const CONTAINER_NAME_LABEL = 'io.kubernetes.container.name';
const SANDBOX_CONTAINER_NAME = 'POD';
const ANNOTATION_PREFIX = 'annotation.';

/** Begins the labels that hold cridock's own facts. */
export const OWN_LABEL_PREFIX = 'io.cridock.';
const ESCAPED_LABEL_PREFIX = `${OWN_LABEL_PREFIX}label.`;
const INTERNAL_LABELS: ReadonlySet<string> = new Set([KIND_LABEL, SANDBOX_ID_LABEL, LOG_PATH_LABEL]);

/** The Docker labels of a sandbox's container, as cri-dockerd writes them, and cridock's own facts. */
export function sandboxLabels(facts: SandboxLabelFacts): Record<string, string> {
  return Object.fromEntries([
    ...sharedEntries('sandbox', facts),
    [KIND_LABEL, SANDBOX_KIND],
    [CONTAINER_NAME_LABEL, SANDBOX_CONTAINER_NAME],
  ]);
}

/** The Docker labels of a container, as cri-dockerd writes them, and cridock's own facts. */
export function containerLabels(facts: ContainerLabelFacts): Record<string, string> {
  return Object.fromEntries([
    ...sharedEntries('container', facts),
    [KIND_LABEL, CONTAINER_KIND],
    [SANDBOX_ID_LABEL, facts.sandboxId],
    [LOG_PATH_LABEL, facts.logPath],
  ]);
}

/**
 * What the Docker labels of a container tell, or undefined when it was not made for the CRI.
 * Labels and annotations come back exactly as they were given, whoever of cridock and cri-dockerd wrote them.
 */
export function parseLabels(
  dockerLabels: Record<string, string> | null | undefined,
): ParsedLabels | undefined {
  const kind = kindOf(dockerLabels?.[KIND_LABEL]);
  if (!dockerLabels || !kind) return undefined;
  const labels: [string, string][] = [];
  const annotations: [string, string][] = [];
  const own: [string, string][] = [];
  for (const [key, value] of Object.entries(dockerLabels)) {
    if (key.startsWith(ESCAPED_LABEL_PREFIX)) labels.push([key.slice(ESCAPED_LABEL_PREFIX.length), value]);
    else if (key.startsWith(OWN_LABEL_PREFIX)) own.push([key.slice(OWN_LABEL_PREFIX.length), value]);
    else if (key.startsWith(ANNOTATION_PREFIX))
      annotations.push([key.slice(ANNOTATION_PREFIX.length), value]);
    else if (!isReserved(kind, key)) labels.push([key, value]);
  }
  const facts: LabelFacts = {
    labels: Object.fromEntries(labels),
    annotations: Object.fromEntries(annotations),
    own: Object.fromEntries(own),
  };
  if (kind === 'sandbox') return { kind, ...facts };
  return {
    kind,
    ...facts,
    sandboxId: dockerLabels[SANDBOX_ID_LABEL] ?? '',
    logPath: dockerLabels[LOG_PATH_LABEL] ?? '',
  };
}

/**
 * CRI labels whose keys have a meaning of their own among Docker labels are kept under another key, since a pod
 * may carry any label: cri-dockerd would overwrite them or give them back as annotations.
 */
function sharedEntries(kind: ParsedLabels['kind'], facts: LabelFacts): [string, string][] {
  return [
    ...Object.entries(facts.labels).map(([key, value]): [string, string] => [
      isReserved(kind, key) ? ESCAPED_LABEL_PREFIX + key : key,
      value,
    ]),
    ...Object.entries(facts.annotations).map(([key, value]): [string, string] => [
      ANNOTATION_PREFIX + key,
      value,
    ]),
    ...Object.entries(facts.own).map(([key, value]): [string, string] => [OWN_LABEL_PREFIX + key, value]),
  ];
}

function isReserved(kind: ParsedLabels['kind'], key: string): boolean {
  return (
    INTERNAL_LABELS.has(key) ||
    key.startsWith(ANNOTATION_PREFIX) ||
    key.startsWith(OWN_LABEL_PREFIX) ||
    (kind === 'sandbox' && key === CONTAINER_NAME_LABEL)
  );
}

function kindOf(label: string | undefined): ParsedLabels['kind'] | undefined {
  if (label === SANDBOX_KIND) return 'sandbox';
  if (label === CONTAINER_KIND) return 'container';
  return undefined;
}

/** CRI label selectors: each pair must be there exactly; an empty selector matches everything. */
export function matchesSelector(labels: Record<string, string>, selector: Record<string, string>): boolean {
  return Object.entries(selector).every(
    ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value,
  );
}
