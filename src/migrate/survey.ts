import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../cli/config.js';
import { isCompanionRuntime } from '../convert/companion/runtime-names.js';
import { KIND_LABEL } from '../convert/text/labels.js';
import { CRI_LOG_MODE, LOG_MODE } from '../convert/container/log-config.js';
import type { Engine } from '../docker/engine.js';
import type { ContainerInspect } from '../docker/types.js';
import { AttachmentCache } from '../network/cni/cache.js';
import { parseCheckpoint } from '../state/checkpoint-format.js';
import { recognise, recognitionOn, type Recognised } from '../state/recognise.js';
import { SealKey } from '../state/seal-key.js';
import { Seal } from '../state/seal.js';
import { forEachLimited } from '../util/concurrency.js';
import { Code, hasCode, messageOf } from '../util/cri-error.js';
import { silentLogger } from '../util/log.js';

const INSPECTS_AT_A_TIME = 8;
const INSPECT_TIMEOUT_MS = 5_000;

/** A pod as the other program will find it. */
export interface SurveyedPod {
  readonly namespace: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly running: boolean;
  readonly containers: readonly SurveyedContainer[];
  /** What will not go on as it was, each in one sentence; empty when all will. */
  readonly remarks: readonly string[];
}

export interface SurveyedContainer {
  readonly name: string;
  readonly id: string;
  readonly running: boolean;
  /** Which of the two forms its mounts have: cri-dockerd of the 0.3 line wrote `binds`, of 0.4.0 and 0.4.1 `mounts`. */
  readonly shape: 'binds' | 'mounts' | 'none';
  /** Who writes its log. */
  readonly log: 'cridock' | 'docker' | 'none';
}

export interface Survey {
  readonly pods: readonly SurveyedPod[];
  /** Containers with cri-dockerd's labels that belong to no pod, by Docker name: nobody takes them over. */
  readonly leftAlone: readonly string[];
  /** Containers that the Engine lists and cannot tell of now, each with the reason: they stay as they are. */
  readonly unreadable: readonly string[];
}

/** A container of a pod as Docker shows it, and what that tells. */
interface Found {
  readonly inspect: ContainerInspect;
  readonly recognised: Recognised;
}

/** Looks at all pods on the Engine, whoever made them; changes nothing. `direction` is as in `cridock migrate`. */
export async function surveyPods(engine: Engine, config: Config, direction: 'from' | 'to'): Promise<Survey> {
  const { inspected, unreadable } = await inspectAll(engine);
  const found = await recogniseAll(engine, config, inspected, unreadable);
  const attached = await new AttachmentCache(config.cniCacheDir, silentLogger).sandboxIds();
  const claimed = new Set<string>();
  const pods: SurveyedPod[] = [];
  for (const { inspect: sandbox, recognised } of found) {
    if (recognised.labels.kind !== 'sandbox') continue;
    const members = found.filter(({ recognised: { labels } }) => {
      return labels.kind === 'container' && labels.sandboxId === sandbox.Id;
    });
    [sandbox, ...members.map(({ inspect }) => inspect)].forEach(({ Id: id }) => claimed.add(id));
    const containers = members.map(surveyContainer);
    const remarks = [
      ...(await checkpointRemarks(config, sandbox.Id)),
      ...networkRemarks(config, sandbox, attached),
      ...(direction === 'to' ? [...logRemarks(containers), ...runtimeRemarks(sandbox)] : []),
    ];
    const { podName, namespace } = recognised.parsed;
    const { Running: running } = sandbox.State;
    pods.push({ namespace, name: podName, sandboxId: sandbox.Id, running, containers, remarks });
  }
  const leftAlone = inspected
    .filter(({ Id: id }) => !claimed.has(id) && !unreadable.has(id))
    .map(({ Name: name }) => name.slice(1));
  return { pods, leftAlone, unreadable: [...unreadable.values()] };
}

/** Of what cannot be told it says why in `unreadable`, by id. Without those that were renamed: neither program is told their metadata by the name that they have now. */
async function recogniseAll(
  engine: Engine,
  { rootDirectory }: Config,
  inspected: readonly ContainerInspect[],
  unreadable: Map<string, string>,
): Promise<Found[]> {
  const sealKey = new SealKey(rootDirectory, silentLogger);
  await sealKey.read();
  const sources = recognitionOn(engine, engine, new Seal(sealKey));
  const found: Found[] = [];
  for (const inspect of inspected) {
    const name = inspect.Name.slice(1);
    try {
      const recognised = await recognise(inspect, sources);
      if (recognised?.name === name) found.push({ inspect, recognised });
    } catch (error) {
      // Such as an image that cannot be inspected.
      unreadable.set(inspect.Id, `${name}: ${messageOf(error)}`);
    }
  }
  return found;
}

async function inspectAll(
  engine: Engine,
): Promise<{ inspected: ContainerInspect[]; unreadable: Map<string, string> }> {
  const listed = await engine.listContainers([KIND_LABEL]);
  const byId = new Map<string, ContainerInspect>();
  const unreadable = new Map<string, string>();
  await forEachLimited(listed, INSPECTS_AT_A_TIME, async ({ Id: id, Names }) => {
    try {
      byId.set(id, await engine.inspectContainer(id, { signal: AbortSignal.timeout(INSPECT_TIMEOUT_MS) }));
    } catch (error) {
      // else removed meanwhile
      if (!hasCode(error, Code.NOT_FOUND)) {
        unreadable.set(id, `${Names[0]?.slice(1) ?? id}: ${messageOf(error)}`);
      }
    }
  });
  // In the order of the list.
  return { inspected: listed.flatMap(({ Id: id }) => byId.get(id) ?? []), unreadable };
}

function surveyContainer({ inspect, recognised }: Found): SurveyedContainer {
  const { Id: id, HostConfig, State } = inspect;
  const { labels, parsed } = recognised;
  const logPath = labels.kind === 'container' ? labels.logPath : '';
  const byCridock = labels.own[LOG_MODE] === CRI_LOG_MODE;
  return {
    name: parsed.containerName,
    id,
    running: State.Running,
    shape:
      (HostConfig.Mounts ?? []).length > 0
        ? 'mounts'
        : (HostConfig.Binds ?? []).length > 0
          ? 'binds'
          : 'none',
    log: logPath === '' ? 'none' : byCridock ? 'cridock' : 'docker',
  };
}

async function checkpointRemarks({ rootDirectory }: Config, sandboxId: string): Promise<string[]> {
  const path = join(rootDirectory, 'sandbox', sandboxId);
  try {
    parseCheckpoint(await readFile(path, 'utf8'));
    return [];
  } catch (error) {
    return [
      `its checkpoint ${path} cannot be used, host ports may stay behind when it ends: ${messageOf(error)}`,
    ];
  }
}

function networkRemarks(config: Config, sandbox: ContainerInspect, attached: ReadonlySet<string>): string[] {
  const usesCni = config.networkPlugin === 'cni' && sandbox.HostConfig.NetworkMode === 'none';
  if (!usesCni || !sandbox.State.Running || attached.has(sandbox.Id)) return [];
  return [
    `${config.cniCacheDir} has no record of its network: it is detached with the network's present configuration`,
  ];
}

/** cri-dockerd writes no logs itself. */
function logRemarks(containers: readonly SurveyedContainer[]): string[] {
  return containers
    .filter(({ log, running }) => log === 'cridock' && running)
    .map(
      ({ name }) =>
        `the log of ${name} stops at the switch until its container is made anew (docker logs still has it)`,
    );
}

/** cri-dockerd gives containers the runtime of their sandbox, and the companion starts only cridock's. */
function runtimeRemarks({ HostConfig, State }: ContainerInspect): string[] {
  if (!isCompanionRuntime(HostConfig.Runtime) || !State.Running) return [];
  return ['the companion runtime started its sandbox: cri-dockerd can start no more containers in it'];
}
