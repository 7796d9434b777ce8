import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CompanionNode, nodeMounts } from '../support/companion-node.js';
import { testDockerEndpoint } from '../support/cridock-process.js';
import { leasedAddresses } from '../support/leftovers.js';
import { sourceFile } from '../support/own-engine.js';
import { seededRandom } from '../support/random.js';
import type { TestPod } from '../support/test-node.js';
import { until } from '../support/until.js';
import { differences, treeOf } from './layer-truth.js';

/**
 * Starts pods with user namespaces while what starts them is killed, and holds every file of the layer store, every mount
 * of the node and every address of pods against what was there before. Run by test/companion/rehearse.sh, in a mount namespace of its own.
 *
 * A daemon that is killed leaves containers' layers and mounts of its own, with any runtime (`--plain` shows it with pods that
 * do without the companion). These are told, and counted as there from then on: whole layers of containers and Docker's own mounts,
 * nothing else.
 */

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    plain: { type: 'boolean' },
  },
});
const KINDS = ['cridock', 'dockerd', 'containerd', 'shim', 'companion'] as const;
type Kind = (typeof KINDS)[number];

const runFolder = testDockerEndpoint.replace(/^unix:\/\//, '').replace(/\/docker\.sock$/, '');
const companionProgram = sourceFile('../dist/libexec/oci/runc');
const engineWords = (process.env['CRIDOCK_TEST_ENGINE_WORDS'] ?? '').split(' ');
const companion = await CompanionNode.start();
const { node } = companion;
const { DockerRootDir: data, Driver: driver } = await node.engine.info();
const layers =
  driver === 'overlay2'
    ? join(data, 'overlay2')
    : join(data, 'containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots');

/** A container that has nothing to do with pods: it must not notice anything. */
const witness = await companion.docker('run', '-d', '--network', 'none', node.image, 'sleep', '1000000');
const witnessPid = (await node.engine.inspectContainer(witness)).State.Pid;
// The folders that the first pod's images need are there before the first look.
await removeAll([await companion.pod()]);
let before = { layers: treeOf(layers), mounts: nodeMounts() };
/** What must be there to the end: a daemon takes away what an earlier one has left. */
const wasFirst = new Set([...before.layers, ...before.mounts]);
const hits: Record<string, number> = {};
let broken = 0;

for (let run = 0; run < Number(values.runs); run += 1) {
  const seed = Number(values.seed) + run;
  const random = seededRandom(seed);
  const kind = KINDS[Math.floor(random() * KINDS.length)] ?? 'cridock';
  try {
    const told = await rehearse(kind, random);
    hits[`${kind}: ${told}`] = (hits[`${kind}: ${told}`] ?? 0) + 1;
    console.log(`${seed} ${kind}: ${told}, nothing changed`);
  } catch (error) {
    broken += 1;
    console.log(`${seed} ${kind}: BROKEN ${error instanceof Error ? error.message : String(error)}`);
    // Told once: the runs that follow answer for themselves.
    before = { layers: treeOf(layers), mounts: nodeMounts() };
  }
}
await companion.docker('rm', '-f', witness);
console.log(JSON.stringify(hits));
console.log(`${Number(values.runs) - broken} passed, ${broken} failed`);
await node.close();
process.exit(broken === 0 ? 0 : 1);

async function rehearse(kind: Kind, random: () => number): Promise<string> {
  const pods: TestPod[] = [];
  const begin = performance.now();
  const killAtMs = random() * 900;
  const work = Array.from({ length: 1 + Math.floor(random() * 3) }, async () => {
    const pod = await (values.plain === true ? node.pod() : companion.pod());
    pods.push(pod);
    const run = 'rm -rf /bin/busybox /etc; echo x >/of-the-pod; chown 9:9 /of-the-pod; exec sleep 1000000';
    const maker = values.plain === true ? node : companion;
    await Promise.allSettled([maker.start(pod, { run }), maker.start(pod)]);
  });
  const ended = Promise.allSettled(work);
  const killed = await kill(kind, begin + killAtMs, random);
  const outcomes = await ended;
  await raise(kind);
  await removeAll(pods);
  const isKilled = kind === 'dockerd' || kind === 'containerd' || kind === 'shim';
  const waitMs = isKilled ? 3_000 : 30_000;
  const come = (): string[] =>
    differences(before.mounts, nodeMounts()).filter((line) => line.startsWith('+ '));
  await until('no mount of the pods', () => come().length === 0, waitMs).catch(() => undefined);
  const left = changes();
  const wrong = left.filter((line) =>
    line.startsWith('- ') ? wasFirst.has(line.slice(2)) : !isKilled || !isDockersOwn(line),
  );
  if (wrong.length > 0) throw new Error(wrong.slice(0, 10).join('\n'));
  await until('no address in use', () => leasedAddresses(node.cridock).length === 0, 30_000).catch(() => {
    throw new Error(`addresses in use: ${leasedAddresses(node.cridock).join(', ')}`);
  });
  before = { layers: treeOf(layers), mounts: nodeMounts() };
  assert.equal(readFileSync(`/proc/${witnessPid}/comm`, 'utf8'), 'sleep\n', 'the other container has ended');
  const merged = readdirSync(`/proc/${witnessPid}/root/bin`);
  assert.ok(merged.includes('busybox'), 'the other container has lost its files');
  const remains = left.length > 0 ? ', Docker left something of its own' : '';
  const failed = outcomes.filter(({ status }) => status === 'rejected').length;
  return `${killed}, ${failed > 0 ? 'starts failed' : 'all started'}${remains}`;
}

/** What is not as it was before. */
function changes(): string[] {
  return [...differences(before.mounts, nodeMounts()), ...differences(before.layers, treeOf(layers))];
}

/** What a daemon that is killed leaves: its own mounts of containers, and their layers. None of that was there before. */
function isDockersOwn(line: string): boolean {
  if (!line.startsWith('+ ') || /idmapped|cridock-work/.test(line.split(' - ')[0] ?? '')) return false;
  const words = line.split(' ');
  if (words.includes('-')) {
    const mountPoint = words[3] ?? '';
    const ofContainers = new RegExp(
      `^${data}/(overlay2/[0-9a-f]+(-init)?/merged|rootfs/overlayfs/[0-9a-f]+|containers/[0-9a-f]+/mounts/shm)$`,
    );
    const isNetwork = mountPoint.startsWith(`${runFolder}/exec/netns/`);
    return isNetwork || (ofContainers.test(mountPoint) && !line.includes('cridock-work'));
  }
  const [top = ''] = (words[1] ?? '').split('/');
  const isKnown = before.layers.some((known) => known.startsWith(`${top} `) || known.startsWith(`${top}/`));
  return top === 'l' || !isKnown;
}

async function kill(kind: Kind, atMs: number, random: () => number): Promise<string> {
  if (kind === 'companion') return killCompanions(atMs, random);
  await delay(Math.max(0, atMs - performance.now()));
  if (kind === 'cridock') {
    await node.cridock.kill9();
    return 'killed';
  }
  if (kind === 'shim') await until('a shim', () => processes('shim').length > 0).catch(() => undefined);
  const pids =
    kind === 'dockerd' ? [Number(readFileSync(join(runFolder, 'dockerd.pid'), 'utf8'))] : processes(kind);
  // Of shims one; there is one for each container.
  const chosen = kind === 'shim' ? pids.slice(-1) : pids;
  for (const pid of chosen) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      return 'gone by itself';
    }
  }
  return chosen.length > 0 ? 'killed' : 'none there';
}

/** They live for milliseconds: whichever is seen from now on, at any of its steps, also as the runc that it becomes. */
async function killCompanions(untilMs: number, random: () => number): Promise<string> {
  const seen: string[] = [];
  const alsoRunc = random() < 0.3;
  const endMs = Math.max(untilMs, performance.now() + 300);
  while (performance.now() < endMs) {
    for (const { pid, program } of companions()) {
      if (program === 'companion' ? random() < 0.3 : !alsoRunc || random() < 0.5) continue;
      try {
        process.kill(pid, 'SIGKILL');
        seen.push(program);
      } catch {
        // it has ended
      }
    }
    await setImmediate();
  }
  return `killed ${seen.filter((one) => one === 'companion').length > 0 ? 'as itself' : seen.length > 0 ? 'as runc' : 'none'}`;
}

function* companions(): Generator<{ pid: number; program: string }> {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const program = readlinkSync(`/proc/${pid}/exe`);
      if (program === companionProgram) yield { pid: Number(pid), program: 'companion' };
      else if (
        /\/runc$/.test(program) &&
        commandOf(pid).includes(runFolder) &&
        commandOf(pid).includes('create')
      )
        yield { pid: Number(pid), program: 'runc' };
    } catch {
      // it has ended
    }
  }
}

function processes(kind: 'containerd' | 'shim'): number[] {
  const name = kind === 'containerd' ? /containerd$/ : /containerd-shim-runc-v2$/;
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const isOurs = name.test(readlinkSync(`/proc/${pid}/exe`)) && commandOf(pid).includes(runFolder);
      return isOurs && !commandOf(pid).includes(witness) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

function commandOf(pid: string): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
}

/** Has again what was killed. The daemon starts a new containerd by itself. */
async function raise(kind: Kind): Promise<void> {
  if (kind === 'cridock') await node.cridock.restart();
  // Where nobody waits for it the killed process counts as one that runs.
  if (kind === 'dockerd') rmSync(join(runFolder, 'dockerd.pid'), { force: true });
  if (kind === 'dockerd' || kind === 'containerd') {
    // What it says is part of the error.
    execFileSync(sourceFile('support/engine.sh'), ['restart', ...engineWords], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }
  await until('a node that is ready', isReady, 60_000);
}

async function isReady(): Promise<boolean> {
  try {
    const { status } = await node.runtime.Status({});
    return status?.conditions.every(({ type, status: is }) => type !== 'RuntimeReady' || is) ?? false;
  } catch {
    return false;
  }
}

/** Also those that were begun, and that nobody was told of. */
async function removeAll(pods: readonly TestPod[]): Promise<void> {
  const { items } = await node.runtime.ListPodSandbox({});
  const ids = new Set([...pods.map(({ id }) => id), ...items.map(({ id }) => id)]);
  for (const id of ids) {
    await until(
      `${id} to be removed`,
      () =>
        node.runtime.RemovePodSandbox({ pod_sandbox_id: id }).then(
          () => true,
          () => false,
        ),
      60_000,
    );
  }
}
