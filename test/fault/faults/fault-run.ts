import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../src/util/cri-error.js';
import { leftovers } from '../../support/leftovers.js';
import { holdingsOf } from '../../support/process-holdings.js';
import { seededRandom } from '../../support/random.js';
import { FaultNode, type EngineUnderTest } from './fault-node.js';
import type { FaultKind } from './kinds.js';
import { WatchedReads } from './watched-reads.js';
import {
  checkForeign,
  checkHoldings,
  checkLogs,
  checkNothingLeft,
  checkStatuses,
  checkSurvivors,
  foreignIds,
  identitiesOf,
} from './oracle.js';

export interface FaultOutcome {
  /** The fault's parameters. */
  readonly what: string;
  /** From the end of the fault until all pods were as they should be. */
  readonly healedAfterMs: number;
  /** How many of the kubelet's calls failed. */
  readonly failedCalls: number;
}

const SETUP_TIMEOUT_MS = 30_000;
/** The longest that a pod may be down, or a deleted one still there, once the fault is over. */
const HEAL_TIMEOUT_MS = 20_000;
const LONGEST_FAULT_MS = 3_000;
/** What is to cost others nothing lasts so much longer: a comparison of the picture with the Engine falls into it. */
const COMPARISON_MS = 11_000;
/** cridock compares its picture with the Engine every 10 s, for changes that no event has told. */
const STATUS_WITHIN_MS = 15_000;
/** What a failure tells of the log. */
const LOG_TAIL_CHARS = 12_000;

/**
 * One fault run. Pods run, a fault begins, and while it lasts a pod is made and another deleted; then the fault ends and all
 * must be as asked. Throws what was broken, with the end of cridock's log. The same seed gives the same run.
 */
export async function runFault(
  kind: FaultKind,
  seed: number,
  engine: EngineUnderTest,
  preload: string | undefined,
): Promise<FaultOutcome> {
  const random = seededRandom(seed);
  const node = await FaultNode.start(engine, preload);
  let what = '';
  try {
    const atStart = await leftovers(node.direct, node.cridock);
    const foreign = await foreignIds(node.direct);
    const idle = holdingsOf(node.cridock.pid);
    const { kubelet } = node;
    kubelet.want('stays-1', 2);
    kubelet.want('stays-2', 1);
    kubelet.want('leaves', 1);
    await kubelet.settled(SETUP_TIMEOUT_MS);
    const identities = await identitiesOf(node, ['stays-1', 'stays-2']);
    const before = holdingsOf(node.cridock.pid);

    const fault = kind.make(node, random);
    const lastsMs = (kind.costsOthersNothing ? COMPARISON_MS : 500) + random() * LONGEST_FAULT_MS;
    const begun = fault.begin();
    const watched = kind.costsOthersNothing
      ? new WatchedReads(node, fault.culprit, [...identities.pids.keys()])
      : undefined;
    kubelet.want('comes', 2);
    kubelet.unwant('leaves');
    await begun;
    watched?.start();
    if (kind.kills) await node.revive('soon');
    else await delay(lastsMs);
    const reads = await watched?.check();
    await fault.end();
    what = [fault.what, reads].filter(Boolean).join('; ');
    await node.revive('by now');

    const overAtMs = performance.now();
    await checkStatuses(node, STATUS_WITHIN_MS);
    await kubelet.settled(HEAL_TIMEOUT_MS);
    const healedAfterMs = performance.now() - overAtMs;
    if (!kind.endsContainers) await checkSurvivors(node, identities);
    await checkLogs(node);
    await checkHoldings(node, before);
    for (const name of kubelet.names) kubelet.unwant(name);
    await kubelet.settled(HEAL_TIMEOUT_MS);
    await checkNothingLeft(node, atStart);
    await checkForeign(node, foreign);
    await checkHoldings(node, idle);
    await node.close();
    return { what, healedAfterMs, failedCalls: kubelet.failures.length };
  } catch (error) {
    const log = node.cridock.log().slice(-LOG_TAIL_CHARS);
    await removeAll(node);
    await node.close().catch(() => undefined); // the first failure is the one to tell
    throw new Error(`${what}: ${messageOf(error)}\n${log}`, { cause: error });
  }
}

/** After a failure: what the run made, so that the next one finds an Engine as it was. */
async function removeAll(node: FaultNode): Promise<void> {
  await node.kubelet.stop();
  const own = `"${node.cridock.directory}/`;
  for (const { Id: id } of await node.direct.listContainers(['io.kubernetes.docker.type'])) {
    const inspect = await node.direct.inspectContainer(id).catch(() => undefined);
    if (inspect !== undefined && JSON.stringify(inspect.Config.Labels).includes(own)) {
      await node.direct.removeContainer(id).catch(() => undefined);
    }
  }
}
