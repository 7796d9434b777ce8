import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { KIND_LABEL } from '../../../src/convert/text/labels.js';
import type { Engine } from '../../../src/docker/engine.js';
import { ContainerState } from '../../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../../src/gen/runtime/v1/PodSandboxState.js';
import { messageOf } from '../../../src/util/cri-error.js';
import { added, leftovers, type Leftovers } from '../../support/leftovers.js';
import { holdingsOf, type ProcessHoldings } from '../../support/process-holdings.js';
import { until } from '../../support/until.js';
import type { FaultNode } from './fault-node.js';
import { isRunning } from '../kubelet/pod-actions.js';

/** What must not change under a fault that ends no container. */
export interface Identities {
  /** Of running containers, with their sandboxes: id to first process. */
  readonly pids: ReadonlyMap<string, number>;
}

export async function identitiesOf(node: FaultNode, pods: readonly string[]): Promise<Identities> {
  const pids = new Map<string, number>();
  for (const pod of pods) {
    const { sandboxes, containers } = node.kubelet.parts(pod);
    for (const { id } of [...sandboxes, ...containers.filter(isRunning)]) {
      pids.set(id, (await node.direct.inspectContainer(id)).State.Pid);
    }
  }
  return { pids };
}

/** Every container and sandbox that ran still runs, as the process that it was. */
export async function checkSurvivors(node: FaultNode, { pids }: Identities): Promise<void> {
  for (const [id, pid] of pids) {
    const now = await node.direct.inspectContainer(id).catch(() => undefined);
    assert.ok(
      now?.State.Running === true && now.State.Pid === pid,
      `${id} was ended, though nothing asked for it`,
    );
  }
}

/** What cridock lists is what the Engine has, state for state: at the latest `withinMs` from now. */
export async function checkStatuses(node: FaultNode, withinMs: number): Promise<void> {
  let difference: string[] = [];
  await until(
    'cridock and the Engine to agree',
    async () => {
      // A list that waited for the Engine while the fault was there may fail with it.
      const listed = await statesInCridock(node).catch((error: unknown) => {
        difference = [messageOf(error)];
        return undefined;
      });
      if (listed === undefined) return false;
      const truth = await statesInEngine(node);
      const ids = new Set([...truth.keys(), ...listed.keys()]);
      difference = [...ids].flatMap((id) =>
        truth.get(id) === listed.get(id) ? [] : [`${id}: ${listed.get(id)} instead of ${truth.get(id)}`],
      );
      return difference.length === 0;
    },
    withinMs,
  ).catch((error: unknown) => {
    throw new Error(`wrong or no status: ${difference.join('; ')}`, { cause: error });
  });
}

async function statesInEngine(node: FaultNode): Promise<Map<string, string>> {
  const own = `"${node.cridock.directory}/`;
  const states = new Map<string, string>();
  for (const { Id: id } of await node.direct.listContainers(['io.kubernetes.docker.type'])) {
    const inspect = await node.direct.inspectContainer(id).catch(() => undefined);
    // Other nodes share the Engine in some runs.
    if (inspect === undefined || !JSON.stringify(inspect.Config.Labels).includes(own)) continue;
    states.set(
      id,
      inspect.State.Running ? 'running' : inspect.State.StartedAt.startsWith('0001') ? 'created' : 'exited',
    );
  }
  return states;
}

async function statesInCridock({ cridock: { client } }: FaultNode): Promise<Map<string, string>> {
  const { items } = await client.runtime.ListPodSandbox({});
  const { containers } = await client.runtime.ListContainers({});
  const states = new Map<string, string>();
  for (const { id, state } of items)
    states.set(id, state === PodSandboxState.SANDBOX_READY ? 'running' : 'exited');
  for (const { id, state } of containers) states.set(id, CONTAINER_STATES[state]);
  return states;
}

const CONTAINER_STATES = {
  [ContainerState.CONTAINER_CREATED]: 'created',
  [ContainerState.CONTAINER_RUNNING]: 'running',
  [ContainerState.CONTAINER_EXITED]: 'exited',
  [ContainerState.CONTAINER_UNKNOWN]: 'unknown',
};

/** The log of each running container has all its numbered lines, once and in order, and goes on. */
export async function checkLogs(node: FaultNode): Promise<void> {
  for (const pod of node.kubelet.names) {
    for (const { id } of node.kubelet.parts(pod).containers.filter(isRunning)) {
      const { status } = await node.cridock.client.runtime.ContainerStatus({ container_id: id });
      const path = status?.log_path ?? '';
      const seen = lastLine(path);
      await until(`the log ${path} to go on after line ${seen}`, () => lastLine(path) > seen, 10_000);
    }
  }
}

/**
 * The number of the last whole line; -1 for a log that could not be made when its container started, which is due from its
 * first line on. Throws when a line before the last is missing, doubled or damaged.
 */
function lastLine(path: string): number {
  if (!existsSync(path)) return -1;
  const lines = readFileSync(path, 'latin1').split('\n').slice(0, -1);
  for (const [index, line] of lines.entries()) {
    assert.match(line, new RegExp(` F line ${index}$`), `${path}: not line ${index}`);
  }
  return lines.length - 1;
}

/** Idle connections to the Engine are kept, eight of short calls and eight of long ones, so that these many more are let be. */
const MORE_FDS = 16;

/** What cridock holds besides its pods is bounded, and back where it was when they are gone. */
export async function checkHoldings(node: FaultNode, before: ProcessHoldings): Promise<void> {
  await until(
    'cridock to hold no more than before',
    () => {
      const { fds, children } = holdingsOf(node.cridock.pid);
      return fds <= before.fds + MORE_FDS && children <= before.children;
    },
    10_000,
  ).catch((error: unknown) => {
    const open = readdirSync(`/proc/${node.cridock.pid}/fd`).map((fd) =>
      link(`/proc/${node.cridock.pid}/fd/${fd}`),
    );
    throw new Error(
      `cridock holds ${JSON.stringify(holdingsOf(node.cridock.pid))}, before ${JSON.stringify(before)}: ${open.join(' ')}`,
      {
        cause: error,
      },
    );
  });
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Nothing of the pods is left: in the Engine, on the network, on disk. */
export async function checkNothingLeft(node: FaultNode, atStart: Leftovers): Promise<void> {
  let left: string[] = [];
  await until(
    'nothing to be left',
    async () => {
      const now = await leftovers(node.direct, node.cridock);
      // A damaged file is set aside for the operator, never deleted.
      left = added(atStart, now).filter((item) => !/corrupt-/.test(item));
      return left.length === 0;
    },
    10_000,
  ).catch((error: unknown) => {
    throw new Error(`left behind: ${left.join(', ')}`, { cause: error });
  });
}

/** Ids of the containers and images that no CRI server has made. */
export async function foreignIds(engine: Engine): Promise<string[]> {
  const containers = await engine.listContainers([]);
  const foreign = containers.filter(({ Labels: labels }) => labels?.[KIND_LABEL] === undefined);
  return [...foreign, ...(await engine.listImages())].map(({ Id: id }) => id);
}

/** What others have on the Engine is still there. */
export async function checkForeign(node: FaultNode, atStart: readonly string[]): Promise<void> {
  const now = new Set(await foreignIds(node.direct));
  const gone = atStart.filter((id) => !now.has(id));
  if (gone.length > 0) throw new Error(`${gone.length} containers or images of others are gone: ${gone[0]}`);
}
