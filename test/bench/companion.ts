/**
 * What a start by the companion runtime costs: StartContainer of a container that does without, of one that needs it for a
 * capability, and of one in a user namespace, in turn, and the median of the ratios of each turn; and cridock's memory before
 * and after. Run by test/bench/companion.sh.
 *
 * Usage: CRIDOCK_TEST_DOCKER=unix://... node dist/test/bench/companion.js [TURNS]
 */
import { readFileSync } from 'node:fs';
import { CompanionNode } from '../support/companion-node.js';

const turns = Number(process.argv[2] ?? 40);
const WITH_CAPABILITY = { security: { capabilities: { add_ambient_capabilities: ['NET_BIND_SERVICE'] } } };

const companion = await CompanionNode.start();
const { node } = companion;

async function startMs(id: string): Promise<number> {
  const beginMs = performance.now();
  await node.runtime.StartContainer({ container_id: id });
  const tookMs = performance.now() - beginMs;
  await node.runtime.RemoveContainer({ container_id: id });
  return tookMs;
}

function rssMb(): number {
  const text = readFileSync(`/proc/${node.cridock.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1024;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

try {
  const plain = await node.pod();
  const mapped = await companion.pod();
  const kinds = {
    plain: async () => startMs(await node.create(plain)),
    companion: async () => startMs(await node.create(plain, WITH_CAPABILITY)),
    userNamespace: async () => startMs(await companion.create(mapped)),
  };
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  const took: Record<keyof typeof kinds, number[]> = { plain: [], companion: [], userNamespace: [] };
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
    const ratios = took[name].map((ms, turn) => ms / (took.plain[turn] ?? ms));
    const [ms, ratio] = [median(took[name]).toFixed(1), median(ratios).toFixed(3)];
    console.log(`${name}: ${ms} ms, ${ratio} x of plain (median of ${turns} turns)`);
  }
  const [first, second] = beforeMb.map((mb) => mb.toFixed(1));
  console.log(
    `memory: ${first} and ${second} MB after as many plain starts each, ${afterMb.toFixed(1)} MB after the turns`,
  );
} finally {
  await node.close();
}
