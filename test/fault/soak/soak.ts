/**
 * A soak: a full node with churn, probes, exec sessions, log rotation, statistics, events and pulls at once, for as long as
 * wanted. Tells what failed and how memory and descriptors moved after the warm-up, and draws it.
 *
 * Usage: node dist/test/fault/soak/soak.js [--minutes M] [--pods N] [--containers C] [--engine V] [--svg FILE]
 *   --minutes M      how long (default 60); the first sixth, ten minutes at most, is warm-up
 *   --pods N         held all the time (default 100), of C containers each (default 1); each second the oldest goes and another comes
 *   --churn N        pods a second (default 1)
 *   --engine V       28.5.2 (default), 26.1 or 20.10: an Engine of its own is started
 *   --svg FILE       where the curves go (default soak.svg); `rsvg-convert -o soak.png soak.svg` makes a PNG of it
 * Exit status 1 when a call failed that nothing provoked.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { renderPage } from '../../../deploy/plots/page.js';
import { SHIPPED_ENV, SHIPPED_NODE_FLAGS } from '../../bench/measure.js';
import { startCridock } from '../../support/cridock-process.js';
import { Kubelet } from '../kubelet/kubelet.js';
import { startOwnEngine } from '../../support/own-engine.js';
import { SOAK_PANELS, Watch } from './watch.js';
import { SoakLoad } from './load.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    pods: { type: 'string', default: '100' },
    containers: { type: 'string', default: '1' },
    churn: { type: 'string', default: '1' },
    engine: { type: 'string', default: '28.5.2' },
    svg: { type: 'string', default: 'soak.svg' },
  },
});
const lengthMs = Number(values.minutes) * 60_000;
const warmUpMs = Math.min(lengthMs / 6, 600_000);
const METRICS_PORT = 19_099;
const FILL_TIMEOUT_MS = 600_000;
/** A probe of each pod every so often: two a second on a node of 100 pods. */
const PROBE_MS = 50_000;
const TELL_MS = 60_000;
/** One line a second. */
const COMMAND = 'i=0; while :; do echo "line $i"; i=$((i+1)); sleep 1; done';

const engine = startOwnEngine(values.engine, 'soak');
const cridock = await startCridock({
  flags: [
    `--docker-endpoint=unix://${engine.socketPath}`,
    '--log-level=info',
    `--metrics-bind-addr=127.0.0.1:${METRICS_PORT}`,
  ],
  nodeFlags: SHIPPED_NODE_FLAGS,
  env: SHIPPED_ENV,
  printLog: false,
});
const kubelet = new Kubelet({
  client: cridock.client,
  directory: cridock.directory,
  image: 'busybox:latest',
  command: COMMAND,
  relistMs: 1_000,
  probeMs: PROBE_MS,
  timeoutMs: 60_000,
});
const load = new SoakLoad(cridock, kubelet);
const watch = new Watch(cridock, `http://127.0.0.1:${METRICS_PORT}/metrics`, engine.socketPath);
let made = 0;
let told = 0;
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupted.abort());
const want = (): void => kubelet.want(`soak-${(made += 1)}`, Number(values.containers));
try {
  kubelet.start();
  for (let index = 0; index < Number(values.pods); index += 1) want();
  console.log(`filled with ${values.pods} pods in ${Math.round(await kubelet.settled(FILL_TIMEOUT_MS))} ms`);
  const beganMs = Date.now();
  await load.start();
  watch.start();
  let toldAtMs = beganMs;
  const podEveryMs = 1_000 / Number(values.churn);
  for (let round = 1; Date.now() < beganMs + lengthMs && !interrupted.signal.aborted; round += 1) {
    kubelet.unwant(`soak-${made - Number(values.pods) + 1}`);
    want();
    if (Date.now() > toldAtMs + TELL_MS) {
      toldAtMs = Date.now();
      console.log(
        `${Math.round((toldAtMs - beganMs) / 60_000)} min: ${made} pods made, ${kubelet.names.length} now; ${load.told()}; ${kubelet.failures.length} failed calls; ${watch.told()}`,
      );
      tellFailures();
    }
    // In step with the clock, however long a round takes.
    await delay(Math.max(0, beganMs + round * podEveryMs - Date.now()));
  }
  watch.stop();
  await load.stop();
  console.log(watch.report(warmUpMs));
  for (const [what, ms] of [...kubelet.durations.entries(), ...load.durations.entries()]) {
    console.log(`${what}: ${ms.length} calls, ${percentiles(ms)}`);
  }
  tellFailures();
  process.exitCode = Number(told > 0);
  writeFileSync(
    values.svg,
    renderPage(`cridock: ${values.pods} pods, ${values.churn} replaced a second`, SOAK_PANELS, watch.history),
  );
} finally {
  for (const name of kubelet.names) kubelet.unwant(name);
  await kubelet.settled(FILL_TIMEOUT_MS).finally(() => kubelet.stop());
  await cridock.stop();
  engine.stop();
}

/** Those that were not told yet, in the order in which they came. */
function tellFailures(): void {
  const failures = [...kubelet.failures, ...load.failures].toSorted((a, b) => a.atMs - b.atMs);
  for (const { rpc, code, text } of failures.slice(told)) console.log(`failed: ${rpc} ${code} ${text}`);
  told = failures.length;
}

function percentiles(ms: readonly number[]): string {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(1);
  return `median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms`;
}
