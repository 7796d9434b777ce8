import { parseLabels, type ParsedLabels } from '../convert/text/labels.js';
import { NAME, parseName, type ParsedName } from '../convert/text/names.js';
import type { Engine } from '../docker/engine.js';
import type { ContainerInspect } from '../docker/types.js';
import { Code, hasCode } from '../util/cri-error.js';
import type { ObjectRecord } from './records.js';
import type { Seal } from './seal.js';

/** What it takes to tell whose a container is. */
export interface RecognitionSources {
  readonly seal: Pick<Seal, 'open'>;
  /** The labels of a container's image; undefined when the image is gone. */
  readonly imageLabels: (inspect: ContainerInspect) => Promise<Readonly<Record<string, string>> | undefined>;
  /** The id of the container that has this name now, undefined for none. */
  readonly holderOf: (name: string) => Promise<string | undefined>;
}

/** Sources that ask the Engine. `images` may keep what it was asked. */
export function recognitionOn(
  engine: Pick<Engine, 'inspectContainer'>,
  images: Pick<Engine, 'inspectImage'>,
  seal: Pick<Seal, 'open'>,
): RecognitionSources {
  return {
    seal,
    imageLabels: async ({ Image: id }) => {
      const image = await unlessMissing(images.inspectImage(id));
      return image && (image.Config?.Labels ?? {});
    },
    holderOf: async (name) => (await unlessMissing(engine.inspectContainer(name)))?.Id,
  };
}

async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (hasCode(error, Code.NOT_FOUND)) return undefined;
    throw error;
  }
}

/** A container that belongs to a pod. */
export interface Recognised {
  /** The Docker name that it was made with. */
  readonly name: string;
  /** What that name tells. */
  readonly parsed: ParsedName;
  readonly labels: ParsedLabels;
  /** True when all of the labels are what cridock wrote. Otherwise a user of Docker may have, as cri-dockerd is one. */
  readonly sealed: boolean;
}

/**
 * Takes a container for a pod's sandbox or container, or not (undefined). cridock's own are known by their seal. All others,
 * cri-dockerd's and those of older versions of cridock, are known by what Docker's record says that no image can: their
 * name, and the namespaces that they join. What an image has put among their labels does not count. Of one that `last` was
 * read of, all that this is told by stays as Docker made it, but for the name: a seal that held then is not opened again.
 */
export async function recognise(
  inspect: ContainerInspect,
  sources: RecognitionSources,
  last?: ObjectRecord,
): Promise<Recognised | undefined> {
  const again = last && recognisedAgain(inspect, last);
  if (again !== undefined) return again;
  const opened = sources.seal.open(inspect);
  const found =
    opened === undefined
      ? await byRecord(inspect, sources)
      : recognised(opened.name, parseLabels(opened.labels), true);
  if (found === undefined || !isInPlace(inspect, found.labels)) return undefined;
  if (found.name === dockerNameOf(inspect)) return found;
  // Renamed, unless it is a copy: then the original has its name still.
  const holder = await sources.holderOf(found.name);
  return holder === undefined || holder === inspect.Id ? found : undefined;
}

/** By what was read of it before; undefined where that does not tell. */
function recognisedAgain(inspect: ContainerInspect, last: ObjectRecord): Recognised | undefined {
  const { name, sealed } = last;
  if (!sealed || name !== dockerNameOf(inspect) || !isSame(inspect, last.inspect)) return undefined;
  const labels: ParsedLabels =
    last.kind === 'sandbox' ? { ...last.labels, kind: last.kind } : { ...last.labels, kind: last.kind };
  return isInPlace(inspect, labels) ? recognised(name, labels, sealed) : undefined;
}

/** In what a seal is for. */
function isSame({ Id: id, Config: config }: ContainerInspect, before: ContainerInspect): boolean {
  if (id !== before.Id || config.Image !== before.Config.Image) return false;
  const [labels, labelsBefore] = [config.Labels ?? {}, before.Config.Labels ?? {}];
  const keys = Object.keys(labels);
  return (
    keys.length === Object.keys(labelsBefore).length && keys.every((key) => labels[key] === labelsBefore[key])
  );
}

async function byRecord(
  inspect: ContainerInspect,
  { imageLabels }: RecognitionSources,
): Promise<Recognised | undefined> {
  const all = inspect.Config.Labels ?? {};
  const quick = parseLabels(all);
  if (quick === undefined || !isInPlace(inspect, quick)) return undefined;
  const ofImage = (await imageLabels(inspect)) ?? {};
  const labels = parseLabels(
    Object.fromEntries(
      Object.entries(all).filter(([key, value]) => ALWAYS_GIVEN.has(key) || ofImage[key] !== value),
    ),
  );
  if (labels === undefined) return undefined;
  const dockerName = dockerNameOf(inspect);
  return recognised(dockerName, labels, false) ?? recognised(labels.own[NAME] ?? '', labels, false);
}

function recognised(name: string, labels: ParsedLabels | undefined, sealed: boolean): Recognised | undefined {
  const parsed = parseName(name);
  return labels !== undefined && parsed?.kind === labels.kind ? { name, parsed, labels, sealed } : undefined;
}

/** In the namespaces that its labels tell: a container in its pod's network, a sandbox in no other container's. */
function isInPlace({ HostConfig: hostConfig }: ContainerInspect, labels: ParsedLabels): boolean {
  const { NetworkMode: network = '', IpcMode: ipc = '' } = hostConfig;
  if (labels.kind === 'container') return network === `container:${labels.sandboxId}`;
  return !network.startsWith('container:') && (ipc === 'shareable' || ipc === 'host');
}

function dockerNameOf({ Name: name }: ContainerInspect): string {
  return name.replace(/^\//, '');
}

/**
 * Labels that cri-dockerd and kubelets give every container or sandbox: an image with the same value takes nothing away. Any
 * other that has the image's value is the image's.
 */
const ALWAYS_GIVEN: ReadonlySet<string> = new Set([
  ...['docker.type', 'sandbox.id', 'container.name', 'pod.name', 'pod.namespace', 'pod.uid'].map(
    (key) => `io.kubernetes.${key}`,
  ),
  ...['hash', 'restartCount', 'terminationMessagePath', 'terminationMessagePolicy'].map(
    (key) => `annotation.io.kubernetes.container.${key}`,
  ),
]);
