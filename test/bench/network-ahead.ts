/**
 * What `--network-ahead` gives: RunPodSandbox by a cridock with it and by one without, in turn, on one Engine; alone, some at a
 * time, and with a network plugin that takes a while. The medians, and of the ratios of each turn the median. Run by
 * test/bench/companion.sh.
 *
 * Usage: CRIDOCK_TEST_DOCKER=unix://... node dist/test/bench/network-ahead.js [TURNS]
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { podConfig } from '../support/pods.js';
import { TestNode } from '../support/test-node.js';
import { median } from './measure.js';

const turns = Number(process.argv[2] ?? 40);
const AT_A_TIME = 8;
const SLOW_SECONDS = 0.1;
const PLUGINS = '/usr/lib/cni';

const names = ['plain', 'ahead'] as const;
type Name = (typeof names)[number];

/** A cridock without and one with it; their bridge plugin is the one in `bin`, if there is one. */
async function start(bin = PLUGINS): Promise<Record<Name, TestNode>> {
  const folders = `--cni-bin-dir=${bin},${PLUGINS}`;
  return {
    plain: await TestNode.start([folders]),
    ahead: await TestNode.start([folders, '--network-ahead']),
  };
}

/** A folder with a bridge plugin that takes a while, as plugins do that ask a server for an address. */
function slowPlugin(): string {
  const bin = mkdtempSync(join(tmpdir(), 'network-ahead-'));
  const script = `#!/bin/sh\n[ "$CNI_COMMAND" != ADD ] || sleep ${SLOW_SECONDS}\nexec ${PLUGINS}/bridge\n`;
  writeFileSync(join(bin, 'bridge'), script, { mode: 0o755 });
  return bin;
}

/** RunPodSandbox of so many pods at a time, in milliseconds until all are ready; they are removed after. */
async function run({ cridock, runtime }: TestNode, pods: number): Promise<number> {
  const beganMs = performance.now();
  const replies = await Promise.all(
    Array.from({ length: pods }, () => {
      const config = podConfig(`p-${randomUUID().slice(0, 8)}`, cridock.directory);
      return runtime.RunPodSandbox({ config, runtime_handler: '' });
    }),
  );
  const tookMs = performance.now() - beganMs;
  for (const { pod_sandbox_id } of replies) {
    await runtime.StopPodSandbox({ pod_sandbox_id });
    await runtime.RemovePodSandbox({ pod_sandbox_id });
  }
  return tookMs;
}

async function compare(
  what: string,
  nodes: Record<Name, TestNode>,
  pods: number,
  times: number,
): Promise<void> {
  const took: Record<Name, number[]> = { plain: [], ahead: [] };
  for (let turn = -1; turn < times; turn += 1) {
    for (const name of turn % 2 === 0 ? names : [...names].reverse()) {
      const ms = await run(nodes[name], pods);
      if (turn >= 0) took[name].push(ms); // the first reads what is read once
    }
  }
  const ratios = took.ahead.map((ms, turn) => ms / (took.plain[turn] ?? ms));
  const [plain, ahead] = [median(took.plain).toFixed(1), median(took.ahead).toFixed(1)];
  console.log(
    `${what}: ${plain} ms, ahead ${ahead} ms, ${median(ratios).toFixed(3)} x (median of ${times} turns)`,
  );
}

const bin = slowPlugin();
try {
  for (const [what, folder] of [
    ['', undefined],
    [`, with a plugin that takes ${SLOW_SECONDS} s more`, bin],
  ] as const) {
    const nodes = await start(folder);
    try {
      await compare(`alone${what}`, nodes, 1, turns);
      await compare(`${AT_A_TIME} at a time${what}`, nodes, AT_A_TIME, Math.ceil(turns / 4));
    } finally {
      for (const name of names) await nodes[name].close();
    }
  }
} finally {
  rmSync(bin, { recursive: true });
}
