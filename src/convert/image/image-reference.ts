import { invalidArgument } from '../../util/cri-error.js';

/** An image's name, in full: `docker.io` and `library/` are never left out. */
export interface ImageName {
  /** Host and port, such as `docker.io` or `localhost:5000`. */
  registry: string;
  /** Path inside the registry, such as `library/busybox`. */
  repository: string;
  tag: string | undefined;
  /** `sha256:<64 hex>`; where there is a tag too, the digest decides. */
  digest: string | undefined;
}

/** What a reference may mean; `beef` for instance may be a name and the beginning of an id. */
export interface ImageReference {
  name: ImageName | undefined;
  /** Lower-case hex, 1 to 64 digits, without `sha256:`. */
  idPrefix: string | undefined;
}

const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_TAG = 'latest';
const OFFICIAL_PREFIX = 'library/';
const MAX_NAME_LENGTH = 255;

const HOST_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const REGISTRY_PATTERN = new RegExp(
  `^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`,
);
const PATH_PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY_PATTERN = new RegExp(`^${PATH_PART}(?:/${PATH_PART})*$`);
const TAG_PATTERN = /^\w[\w.-]{0,127}$/;
const DIGEST_PATTERN = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;
const ID_PATTERN = /^(sha256:)?([a-f0-9]{1,64})$/;
const FULL_ID_LENGTH = 64;

/**
 * Reads what a client sent as an image: a name with or without registry, tag and digest, or an id in full, with or
 * without `sha256:`, or the beginning of one. INVALID_ARGUMENT that names `field` when it can be neither.
 */
export function parseImageReference(text: string, field: string): ImageReference {
  const [, algorithm, idPrefix] = ID_PATTERN.exec(text) ?? [];
  const isIdOnly = idPrefix !== undefined && (algorithm !== undefined || idPrefix.length === FULL_ID_LENGTH);
  return { name: isIdOnly ? undefined : parseImageName(text, field), idPrefix };
}

/** Reads the name of an image, as PullImage needs it. INVALID_ARGUMENT that names `field` for anything else. */
export function parseImageName(text: string, field: string): ImageName {
  if (text === '') throw invalidArgument(field, 'must not be empty');
  const { rest: tagged, tail: digest } = cut(text, text.indexOf('@'));
  const colon = tagged.lastIndexOf(':');
  const { rest: path, tail: tag } = cut(tagged, colon > tagged.lastIndexOf('/') ? colon : -1);
  const { registry, repository } = splitRegistry(path);

  const problem = findProblem({ registry, repository, tag, digest });
  if (problem) throw invalidArgument(field, `is not an image reference: ${problem}`);
  return { registry, repository, tag, digest };
}

/** `registry/repository`, such as `docker.io/library/busybox`. */
export function fullRepository(name: ImageName): string {
  return `${name.registry}/${name.repository}`;
}

/** The whole name with its tag and digest, as far as it has them. */
export function fullName(name: ImageName): string {
  const { tag, digest } = name;
  return `${fullRepository(name)}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The one thing to pull: `repo@digest` where there is a digest, else `repo:tag`, `latest` where there is no tag. */
export function pullTarget(name: ImageName): ImageName {
  return name.digest === undefined ? { ...name, tag: name.tag ?? DEFAULT_TAG } : { ...name, tag: undefined };
}

/** A name from the Engine in full, or undefined for what is none, such as `<none>:<none>`. */
export function normaliseEngineName(text: string): ImageName | undefined {
  try {
    return parseImageName(text, 'image');
  } catch {
    return undefined;
  }
}

function splitRegistry(path: string): { registry: string; repository: string } {
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (!isHost) return { registry: DEFAULT_REGISTRY, repository: official(path) };
  const rest = path.slice(slash + 1);
  if (first === DEFAULT_REGISTRY || first === `index.${DEFAULT_REGISTRY}`) {
    return { registry: DEFAULT_REGISTRY, repository: official(rest) };
  }
  return { registry: first, repository: rest };
}

function official(path: string): string {
  return path.includes('/') ? path : OFFICIAL_PREFIX + path;
}

function findProblem({ registry, repository, tag, digest }: ImageName): string | undefined {
  if (registry.length + repository.length >= MAX_NAME_LENGTH)
    return `the name is longer than ${MAX_NAME_LENGTH}`;
  if (!REGISTRY_PATTERN.test(registry)) return 'the registry is not a host name';
  if (repository !== repository.toLowerCase()) return 'the repository must be in lower case';
  if (!REPOSITORY_PATTERN.test(repository)) return 'the repository is malformed';
  if (tag !== undefined && !TAG_PATTERN.test(tag)) return 'the tag is malformed';
  if (digest !== undefined && !DIGEST_PATTERN.test(digest)) return 'the digest is malformed';
  const isBareId = registry === DEFAULT_REGISTRY && /^library\/[a-f0-9]{64}$/.test(repository);
  return isBareId ? 'an image id is not a name' : undefined;
}

/** The text before and after one character; no tail when `index` is -1. */
function cut(text: string, index: number): { rest: string; tail: string | undefined } {
  return index === -1
    ? { rest: text, tail: undefined }
    : { rest: text.slice(0, index), tail: text.slice(index + 1) };
}
