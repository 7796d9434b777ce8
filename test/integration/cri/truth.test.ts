import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { containerPhase } from '../../../src/convert/container-state.js';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import type { ContainerInspect } from '../../../src/docker/types.js';
import { PodSandboxState } from '../../../src/gen/runtime/v1/PodSandboxState.js';
import { Code, hasCode } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { dockerRequest } from '../../support/docker-request.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';
import { seededRandom } from '../../support/random.js';

const COMPARISONS = 1_000;
const STEADY_PODS = 6;
const LATEST_MS = 1_000;
const KIND_LABEL = 'io.kubernetes.docker.type';

/** What a list tells of each object: `running`, `exited 137`, `ready` ... by id. */
type States = Map<string, string>;

/**
 * Pods come and go through cridock, and a second client changes them behind its back. After each change cridock must
 * tell Docker's truth within a second, and exactly so at rest.
 */
describe("lists and statuses against Docker's truth", { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  const seed = Number(process.env['CRIDOCK_TEST_SEED'] ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  let cridock: CridockProcess;

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=info'] });
  });
  after(async () => {
    for (const { Id: id } of await engine.listContainers([KIND_LABEL])) await engine.removeContainer(id);
    await cridock.stop();
    engine.close();
  });

  it(`agrees in ${COMPARISONS} comparisons (CRIDOCK_TEST_SEED=${seed})`, async () => {
    let comparing = true;
    const churning = churn(() => comparing);
    const latenessMs: number[] = [];
    try {
      for (let count = 0; count < COMPARISONS; count += 1) {
        await changeSomething();
        latenessMs.push(await untilEqual());
      }
    } finally {
      comparing = false;
    }
    await churning;
    latenessMs.sort((a, b) => a - b);
    console.log(`lateness: median ${latenessMs[COMPARISONS / 2]} ms, longest ${latenessMs.at(-1)} ms`);
    assert.deepEqual(await criStates(), await dockerStates(), 'at rest');
  });

  /** Makes pods and takes them away again, some with what others have broken in them. */
  async function churn(goOn: () => boolean): Promise<void> {
    const pods: MadePod[] = [];
    for (let number = 0; goOn(); number += 1) {
      if (pods.length >= STEADY_PODS) {
        const [pod] = pods.splice(Math.floor(random() * pods.length), 1);
        if (pod !== undefined) await removePod(cridock.client, pod);
      }
      const spec = {
        name: `truth-${number}`,
        image: 'busybox:latest',
        directory: cridock.directory,
        containers: 2,
      };
      // The second client may break a pod while it is being made; what is left of it stays for the comparison.
      const made = await makePod(cridock.client, spec).catch(() => undefined);
      if (made !== undefined) pods.push(made);
    }
  }

  /** One change behind cridock's back; refusals (not running, gone already) are part of the game. */
  async function changeSomething(): Promise<void> {
    const listed = await engine.listContainers([KIND_LABEL]);
    const target = listed[Math.floor(random() * listed.length)];
    if (target === undefined) return;
    const path = `/containers/${target.Id}`;
    const choice = random();
    if (choice < 0.05) await dockerRequest(testDockerEndpoint, 'DELETE', `${path}?force=1`);
    else if (choice < 0.15) await dockerRequest(testDockerEndpoint, 'POST', `${path}/kill`);
    else if (choice < 0.5) await dockerRequest(testDockerEndpoint, 'POST', `${path}/pause`);
    else await dockerRequest(testDockerEndpoint, 'POST', `${path}/unpause`);
  }

  /** Resolves with the time that it took until cridock told the same as Docker; fails after a second of difference. */
  async function untilEqual(): Promise<number> {
    const beganMs = Date.now();
    let truth = await dockerStates();
    let changedAtMs = beganMs;
    for (;;) {
      const told = await criStates();
      const now = await dockerStates();
      if (isSame(told, truth) && isSame(now, truth)) return Date.now() - beganMs;
      if (!isSame(now, truth)) {
        truth = now;
        changedAtMs = Date.now();
      }
      if (Date.now() - changedAtMs > LATEST_MS) assert.deepEqual(told, truth);
      await delay(5);
    }
  }

  async function criStates(): Promise<States> {
    const { client } = cridock;
    const [{ items }, { containers }] = await Promise.all([
      client.runtime.ListPodSandbox({}),
      client.runtime.ListContainers({}),
    ]);
    const states: States = new Map();
    for (const { id, state } of items)
      states.set(id, state === PodSandboxState.SANDBOX_READY ? 'ready' : 'not ready');
    for (const { id, state } of containers) {
      const status = await client.runtime.ContainerStatus({ container_id: id }).catch(() => undefined);
      // Gone between the list and the status: the next round sees the same on both sides.
      states.set(
        id,
        `${state} ${status?.status?.state} ${status?.status?.exit_code} ${status?.status?.finished_at}`,
      );
    }
    return sorted(states);
  }

  async function dockerStates(): Promise<States> {
    const states: States = new Map();
    for (const { Id: id } of await engine.listContainers([KIND_LABEL])) {
      const inspect = await inspectIfThere(id);
      if (inspect !== undefined) states.set(id, stateOf(inspect));
    }
    return sorted(states);
  }

  async function inspectIfThere(id: string): Promise<ContainerInspect | undefined> {
    try {
      return await engine.inspectContainer(id);
    } catch (error) {
      if (hasCode(error, Code.NOT_FOUND)) return undefined;
      throw error;
    }
  }
});

/** A sandbox that runs is ready: those that are being made are not yet, and the comparison waits for them. */
function stateOf({ Config, State }: ContainerInspect): string {
  if (Config.Labels?.[KIND_LABEL] === 'podsandbox') return State.Status === 'running' ? 'ready' : 'not ready';
  const { state, exitCode, finishedAtNs } = containerPhase(State, 1n);
  return `${state} ${state} ${exitCode} ${finishedAtNs}`;
}

function sorted(states: States): States {
  return new Map([...states].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isSame(a: States, b: States): boolean {
  return a.size === b.size && [...a].every(([id, state]) => b.get(id) === state);
}
