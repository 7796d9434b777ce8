/**
 * Fault runs, as many as wanted, with a table by kind in the end.
 *
 * Usage: node dist/test/fault/faults/run-faults.js [--runs N] [--seed S] [--kind PATTERN] [--engine VERSION] [--name NAME] [--crowd N]
 *   --runs N       of each kind (default 1)
 *   --seed S       of the first run of each kind; the next ones count up (default: drawn, and printed)
 *   --kind PATTERN only kinds whose name matches this regular expression
 *   --engine V     20.10 (default), 26.1, 28.5.2 or 28.5.2+containerd; its Engines are called NAME (default: faults)
 *   --crowd N      containers and images that others have left on the crowded node (default 20000; takes a while)
 * A failed run is told with its seed: `--kind NAME --seed S` replays it. Exit status 1 when one failed.
 */
import { parseArgs } from 'node:util';
import { FAULT_KINDS } from './kinds.js';
import { Rig } from './rig.js';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kind: { type: 'string', default: '' },
    engine: { type: 'string', default: '20.10' },
    name: { type: 'string', default: 'faults' },
    crowd: { type: 'string', default: '20000' },
  },
});
const runs = Number(values.runs);
const firstSeed = Number(values.seed);
const rig = new Rig(values.engine, values.name, Number(values.crowd));
let failed = 0;
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupted.abort());
try {
  const rows: string[] = [];
  for (const kind of FAULT_KINDS.filter(({ name }) => new RegExp(values.kind).test(name))) {
    if (kind.needsPreload && rig.noPreload !== undefined) {
      rows.push(`| ${kind.name} | 0 | 0 | ${rig.noPreload} |`);
      continue;
    }
    const healed: number[] = [];
    let broken = 0;
    for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
      interrupted.signal.throwIfAborted();
      try {
        const { what, healedAfterMs, failedCalls } = await rig.run(kind, seed);
        healed.push(healedAfterMs);
        console.log(
          `ok      ${kind.name}, seed ${seed}: ${what}; healed in ${Math.round(healedAfterMs)} ms, ${failedCalls} failed calls`,
        );
      } catch (error) {
        broken += 1;
        console.log(`BROKEN  ${kind.name}, seed ${seed}: ${String(error)}`);
      }
    }
    failed += broken;
    rows.push(`| ${kind.name} | ${runs} | ${broken} | ${Math.round(Math.max(0, ...healed))} |`);
  }
  console.log(['| kind | runs | broken | longest healing, ms |', '|---|---|---|---|', ...rows].join('\n'));
} finally {
  await rig.close();
}
process.exitCode = Number(failed > 0);
