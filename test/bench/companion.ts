/**
 * What a start by the companion runtime costs: StartContainer of a container that does without, of one by another runtime of
 * daemon.json, which is the same runc, of one that needs the companion for a capability, and of one in a user namespace, in turn,
 * and the median of the ratios of each turn; cridock's own processor time for each, which a busy machine changes little; and its
 * memory before and after. Run by test/bench/companion.sh.
 *
 * Usage: CRIDOCK_TEST_DOCKER=unix://... node dist/test/bench/companion.js [TURNS]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { CompanionNode } from '../support/companion-node.js';
import { median } from './measure.js';

const turns = Number(process.argv[2] ?? 40);
const WITH_CAPABILITY = { security: { capabilities: { add_ambient_capabilities: ['NET_BIND_SERVICE'] } } };

const companion = await CompanionNode.start();
const { node } = companion;

interface Cost {
  wallMs: number;
  /** cridock's processor time, all threads. */
  cpuMs: number;
}

async function start(id: string): Promise<Cost> {
  const beganMs = performance.now();
  const cpuBeforeMs = cpuMs();
  await node.runtime.StartContainer({ container_id: id });
  const cost = { wallMs: performance.now() - beganMs, cpuMs: cpuMs() - cpuBeforeMs };
  await node.runtime.RemoveContainer({ container_id: id });
  return cost;
}

function cpuMs(): number {
  const folder = `/proc/${node.cridock.pid}/task`;
  return readdirSync(folder)
    .map((thread) => Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6)
    .reduce((sum, each) => sum + each, 0);
}

function rssMb(): number {
  const text = readFileSync(`/proc/${node.cridock.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1024;
}

try {
  const plain = await node.pod();
  const second = await node.pod({}, 'second-runc');
  const mapped = await companion.pod();
  const kinds = {
    plain: async () => start(await node.create(plain)),
    secondRuntime: async () => start(await node.create(second)),
    companion: async () => start(await node.create(plain, WITH_CAPABILITY)),
    userNamespace: async () => start(await companion.create(mapped)),
  };
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  const took: Record<keyof typeof kinds, Cost[]> = {
    plain: [],
    secondRuntime: [],
    companion: [],
    userNamespace: [],
  };
  for (const name of names) await kinds[name](); // what is read for the first time
  // As many starts as the turns have: memory grows with what is done, whatever it is.
  const afterPlain = async () => {
    for (let start = 0; start < turns * names.length; start += 1) await kinds.plain();
    return rssMb();
  };
  const beforeMb = [await afterPlain(), await afterPlain()];
  for (let turn = 0; turn < turns; turn += 1) {
    // Whoever comes first in a turn has no advantage over all of them.
    for (let index = 0; index < names.length; index += 1) {
      const name = names[(turn + index) % names.length] ?? 'plain';
      took[name].push(await kinds[name]());
    }
  }
  const afterMb = rssMb();
  for (const name of names) {
    const ratios = took[name].map(({ wallMs }, turn) => wallMs / (took.plain[turn]?.wallMs ?? wallMs));
    const ms = median(took[name].map(({ wallMs }) => wallMs)).toFixed(1);
    const cpu = median(took[name].map((cost) => cost.cpuMs)).toFixed(2);
    const ratio = median(ratios).toFixed(3);
    console.log(
      `${name}: ${ms} ms, ${ratio} x of plain, ${cpu} ms of cridock's processor time (median of ${turns} turns)`,
    );
  }
  const [firstMb, secondMb] = beforeMb.map((mb) => mb.toFixed(1));
  console.log(
    `memory: ${firstMb} and ${secondMb} MB after as many plain starts each, ${afterMb.toFixed(1)} MB after the turns`,
  );
} finally {
  await node.close();
}
