import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { containerPhase } from '../../../src/convert/container/container-state.js';
import { parseTimeNs } from '../../../src/convert/text/timestamps.js';
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
import { until } from '../../support/until.js';

const COMPARISONS = 1_000;
const STEADY_PODS = 6;
/** A busy machine takes its time to bring an event; mostly it is some milliseconds. */
const LATEST_MS = 5_000;
const KIND_LABEL = 'io.kubernetes.docker.type';

/** What a list tells of each object: `running`, `exited 137`, `ready` ... by id. */
type States = Map<string, string>;

/**
 * Pods come and go through cridock, and a second client changes them behind its back. After each change cridock must
 * tell Docker's truth within LATEST_MS, and exactly so at rest.
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
    try {
      const { items } = await cridock.client.runtime.ListPodSandbox({});
      for (const { id } of items) await cridock.client.runtime.RemovePodSandbox({ pod_sandbox_id: id });
      const { containers } = await cridock.client.runtime.ListContainers({});
      for (const { id } of containers) await cridock.client.runtime.RemoveContainer({ container_id: id });
    } finally {
      await cridock.stop();
      engine.close();
    }
  });

  it(`agrees in ${COMPARISONS} comparisons (CRIDOCK_TEST_SEED=${seed})`, async () => {
    let comparing = true;
    const churning = churn(() => comparing);
    churning.catch(() => undefined); // waited for below
    const disagreements = new Disagreements();
    try {
      for (let count = 0; count < COMPARISONS; count += 1) {
        await changeSomething();
        const before_ = await dockerStates();
        const told = await criStates();
        disagreements.compare(before_, told, await dockerStates());
      }
    } finally {
      comparing = false;
    }
    await churning;
    const { objects, longestMs } = disagreements;
    console.log(`${objects} objects compared; the longest disagreement lasted ${longestMs} ms`);
    const agree = async () => isDeepStrictEqual(await criStates(), await dockerStates());
    await until('agreement at rest', agree, LATEST_MS).catch(() => undefined);
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

/** A sandbox that runs is ready, also while it is paused: those that are being made are not yet, and the comparison waits for them. */
function stateOf({ Config, Created, State }: ContainerInspect): string {
  if (Config.Labels?.[KIND_LABEL] === 'podsandbox') return State.Running ? 'ready' : 'not ready';
  const { state, exitCode, finishedAtNs } = containerPhase(State, parseTimeNs(Created));
  return `${state} ${state} ${exitCode} ${finishedAtNs}`;
}

function sorted(states: States): States {
  return new Map([...states].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Remembers since when cridock has told something else than Docker of an object that did not change meanwhile. */
class Disagreements {
  readonly #since = new Map<string, { truth: string | undefined; atMs: number }>();
  longestMs = 0;
  objects = 0;

  /** Docker's states just before and just after cridock's were read. Throws when one differs for too long. */
  compare(before_: States, told: States, after_: States): void {
    const nowMs = Date.now();
    for (const id of new Set([...before_.keys(), ...told.keys(), ...after_.keys()])) {
      this.objects += 1;
      const truth = before_.get(id);
      if (truth !== after_.get(id) || truth === told.get(id)) {
        this.#since.delete(id);
        continue;
      }
      const known = this.#since.get(id);
      if (known === undefined || known.truth !== truth) {
        this.#since.set(id, { truth, atMs: nowMs });
        continue;
      }
      this.longestMs = Math.max(this.longestMs, nowMs - known.atMs);
      assert.ok(
        nowMs - known.atMs <= LATEST_MS,
        `${id}: cridock says ${told.get(id)}, Docker ${truth}, for ${nowMs - known.atMs} ms`,
      );
    }
  }
}
