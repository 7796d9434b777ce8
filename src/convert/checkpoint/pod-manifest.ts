import type { ContainerInspect } from '../../docker/types.js';

/** What a pod's checkpoint tells of itself beside its containers' archives. */
export const POD_MANIFEST = 'pod.json';

/** What a restored container must be asked for with: what its processes were started with. */
export interface CheckpointedProgram {
  readonly image: string;
  /** With its arguments. */
  readonly program: readonly string[];
  /** Sorted: the order does not matter. */
  readonly environment: readonly string[];
  readonly workingDirectory: string;
  readonly user: string;
  readonly tty: boolean;
}

/** A container of a pod's checkpoint. */
export interface CheckpointedMember extends CheckpointedProgram {
  /** Of its metadata. */
  readonly name: string;
  /** By which its archive is named. */
  readonly id: string;
}

/** A pod's checkpoint. */
export interface PodManifest {
  /** As RunPodSandbox was asked; '' for the default. */
  readonly runtimeHandler: string;
  readonly containers: readonly CheckpointedMember[];
}

const VERSION = 1;
const ID = /^[0-9a-f]{64}$/;
const MAX_CONTAINERS = 10_000;

/** The text of the manifest. */
export function writePodManifest(manifest: PodManifest): string {
  return JSON.stringify({ version: VERSION, ...manifest }, undefined, 2);
}

/** Throws an Error for what cridock has not written. */
export function readPodManifest(text: string): PodManifest {
  const value: unknown = JSON.parse(text);
  const { version, runtimeHandler, containers } = (value ?? {}) as Record<string, unknown>;
  if (version !== VERSION) throw new Error(`${POD_MANIFEST} is not of version ${VERSION}`);
  if (
    typeof runtimeHandler !== 'string' ||
    !Array.isArray(containers) ||
    containers.length > MAX_CONTAINERS
  ) {
    throw new Error(`${POD_MANIFEST} lacks a part`);
  }
  return { runtimeHandler, containers: containers.map(readMember) };
}

/** What a container was made with, as the Engine tells it. */
export function programOf(inspect: ContainerInspect): CheckpointedProgram {
  const { Image, Path, Args, Config } = inspect;
  return {
    image: Image,
    program: [Path ?? '', ...(Args ?? [])],
    environment: [...(Config.Env ?? [])].sort(),
    workingDirectory: Config.WorkingDir ?? '',
    user: Config.User ?? '',
    tty: Config.Tty ?? false,
  };
}

/** The part in which the two differ, in CRI's words; undefined for none. */
export function differenceOf(one: CheckpointedProgram, other: CheckpointedProgram): string | undefined {
  const parts: [string, (of: CheckpointedProgram) => unknown][] = [
    ['image', ({ image }) => image],
    ['command or args', ({ program }) => program],
    ['envs', ({ environment }) => environment],
    ['working_dir', ({ workingDirectory }) => workingDirectory],
    ['user', ({ user }) => user],
    ['tty', ({ tty }) => tty],
  ];
  return parts.find(([, of]) => JSON.stringify(of(one)) !== JSON.stringify(of(other)))?.[0];
}

function readMember(value: unknown): CheckpointedMember {
  const { name, id, image, program, environment, workingDirectory, user, tty } = (value ?? {}) as Record<
    string,
    unknown
  >;
  if (!isText(id) || !ID.test(id)) throw new Error(`${POD_MANIFEST} has a container without an id`);
  if (
    ![name, image, workingDirectory, user].every(isText) ||
    !isList(program) ||
    !isList(environment) ||
    typeof tty !== 'boolean'
  ) {
    throw new Error(`${POD_MANIFEST} lacks a part of container ${id}`);
  }
  return {
    name: String(name),
    id,
    image: String(image),
    program,
    environment,
    workingDirectory: String(workingDirectory),
    user: String(user),
    tty,
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}
