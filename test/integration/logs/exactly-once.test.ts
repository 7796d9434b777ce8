import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ContainerConfig } from '../../../src/gen/runtime/v1/ContainerConfig.js';
import { ContainerState } from '../../../src/gen/runtime/v1/ContainerState.js';
import { NamespaceMode } from '../../../src/gen/runtime/v1/NamespaceMode.js';
import { Code } from '../../../src/util/cri-error.js';
import type { ServiceError } from '../../support/cri-client.js';
import { noEngine, startCridock, type CridockProcess } from '../../support/cridock-process.js';
import { testEngineSupports } from '../../support/engine-supports.js';
import { checkLog } from '../../support/log-check.js';
import { writeCommand, type LineSpec } from '../../support/numbered-lines.js';
import { untilAnswered } from '../../support/pod-worker.js';
import { containerConfig, podConfig } from '../../support/pods.js';
import { seededRandom } from '../../support/random.js';
import { until } from '../../support/until.js';

/** Lines in all. Two million, as a node may see them in a minute, take some minutes. */
const LINES = Number(process.env['CRIDOCK_TEST_LOG_LINES'] ?? 60_000);
const KILLS = Number(process.env['CRIDOCK_TEST_LOG_KILLS'] ?? 4);
/** A command that restarts the Engine while its containers run on (live-restore). */
const ENGINE_RESTART = process.env['CRIDOCK_TEST_ENGINE_RESTART'];
const CONTAINERS = 20;
const ROTATE_EVERY_MS = 1_000;
/** Between 150 bursts: long enough for all kills to come while lines are written. */
const PAUSE_MS = Math.max(100, KILLS * 40);

/**
 * Containers write numbered lines while cridock is killed and started again and the logs are rotated as the kubelet does it.
 * Afterwards each line stands in the log exactly once, and in order.
 */
describe('container logs under kill -9 and rotation', { skip: noEngine }, () => {
  const random = seededRandom(Number(process.env['CRIDOCK_TEST_SEED'] ?? 5));
  const sandbox = podConfig('logs', '', {});
  let cridock: CridockProcess;
  let sandboxId = '';

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=warn'], nodeFlags: ['--trace-warnings'] });
  });
  after(async () => {
    if (sandboxId !== '') await cridock.client.runtime.RemovePodSandbox({ pod_sandbox_id: sandboxId });
    await cridock.stop();
  });

  it(`writes ${LINES} lines of ${CONTAINERS} containers over ${KILLS} kills`, async () => {
    // Before that logs are kept by `json-file`, which replaces what is no UTF-8.
    const keepsBytes = await testEngineSupports('1.42');
    const { client, directory } = cridock;
    const config = { ...sandbox, log_directory: path.join(directory, 'logs'), linux: hostNetwork };
    ({ pod_sandbox_id: sandboxId } = await client.runtime.RunPodSandbox({ config }));
    const writers: { id: string; log: string; spec: LineSpec }[] = [];
    for (const [index, spec] of specs().entries()) {
      const container: ContainerConfig = {
        ...containerConfig(`c${index}`, 'busybox:latest', '', { linux: hostNetwork }),
        command: ['sh', '-c', writeCommand(spec)],
      };
      const { container_id: id } = await client.runtime.CreateContainer({
        pod_sandbox_id: sandboxId,
        config: container,
        sandbox_config: config,
      });
      const kept = keepsBytes ? spec : { ...spec, unit: Buffer.from(spec.unit.toString()) };
      writers.push({ id, log: path.join(directory, 'logs', `c${index}`, '0.log'), spec: kept });
    }
    for (const { id } of writers) await client.runtime.StartContainer({ container_id: id });

    const ids = writers.map(({ id }) => id);
    const started = Date.now();
    const rotation = new AbortController();
    const rotating = Promise.all(writers.map(({ id, log }) => rotate(id, log, rotation.signal)));
    for (let kill = 0; kill < KILLS; kill += 1) {
      await delay(300 + random() * 1_700);
      await cridock.kill9();
      await delay(random() * 500);
      await cridock.restart();
      if (kill === Math.floor(KILLS / 2) && ENGINE_RESTART !== undefined) {
        console.log(`${(await running(ids)).length} are writing when the Engine restarts`);
        await promisify(execFile)('sh', ['-c', ENGINE_RESTART]);
      }
    }
    const stillWriting = (await running(ids)).length;
    await untilNone(() => running(ids));
    for (const { id } of writers) await until('its log to be complete', () => isComplete(id), 120_000);
    console.log(
      `${stillWriting} of ${writers.length} were writing at the last kill; ${Date.now() - started} ms`,
    );
    rotation.abort();
    const rotations = (await rotating).reduce((sum, count) => sum + count, 0);
    const faults = writers.flatMap(({ log, spec }, index) =>
      checkLog(filesOf(log), spec).map((fault) => ({ container: index, ...fault })),
    );
    const written = writers.reduce((sum, { spec }) => sum + spec.lines * spec.streams.length, 0);
    console.log(`${written} lines, ${rotations} rotations`);
    // What of an unfinished line was in the Engine's memory when it ended is in no log: no one can write it.
    const cut = faults.filter(({ kind }) => ENGINE_RESTART !== undefined && kind === 'cut');
    if (cut.length > 0) console.log(`cut by the Engine's restart: ${JSON.stringify(cut)}`);
    const streamsCut = new Set(cut.map(({ container, stream }) => `${container} ${stream}`));
    assert.equal(streamsCut.size, cut.length, 'one line of a stream at most');
    const others = faults.filter((fault) => !cut.includes(fault));
    assert.deepEqual(others.slice(0, 20), [], `${others.length} faults`);
    assert.ok(rotations > 0, 'nothing was rotated');
    await untilAnswered(() => client.runtime.RemovePodSandbox({ pod_sandbox_id: sandboxId }));
    for (const { log } of writers) assert.ok(existsSync(log), 'the log stays when its container is removed');
    assert.doesNotMatch(cridock.log(), /Warning: /);
  });

  /** The kubelet's way: rename, reopen, and rename back when that fails. */
  async function rotate(id: string, log: string, signal: AbortSignal): Promise<number> {
    let count = 0;
    for (;;) {
      await delay(ROTATE_EVERY_MS * (0.5 + random()));
      if (signal.aborted) return count;
      const rotated = `${log}.20060102-${String(count).padStart(6, '0')}`;
      if (!existsSync(log)) {
        // A rotation that failed half-way: the kubelet asks for a new file.
        await cridock.client.runtime.ReopenContainerLog({ container_id: id }).catch(() => undefined);
        continue;
      }
      renameSync(log, rotated);
      try {
        await cridock.client.runtime.ReopenContainerLog({ container_id: id }, { timeoutMs: 120_000 });
        count += 1;
      } catch (error) {
        renameSync(rotated, log);
        const code: number = (error as ServiceError).code;
        if (code === Code.FAILED_PRECONDITION) return count; // it has ended
      }
    }
  }

  async function isComplete(id: string): Promise<boolean> {
    const request = { container_id: id, verbose: true };
    const { info } = await untilAnswered(() => cridock.client.runtime.ContainerStatus(request));
    const { logComplete } = JSON.parse(info['info'] ?? '{}') as { logComplete?: boolean };
    return logComplete === true;
  }

  async function running(ids: string[]): Promise<string[]> {
    const { containers } = await untilAnswered(() =>
      cridock.client.runtime.ListContainers({
        filter: { state: { state: ContainerState.CONTAINER_RUNNING } },
      }),
    );
    return containers.map(({ id }) => id).filter((id) => ids.includes(id));
  }
});

const hostNetwork = {
  security_context: { namespace_options: { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER } },
};

/** Short lines on one stream and on both, lines of 100 KB, and bytes that are no text. */
function specs(): LineSpec[] {
  const bytes = Buffer.from([1, 128, 255, 195, 40]);
  const lines = Math.floor(LINES / CONTAINERS);
  const short = Buffer.from('x');
  const kinds: ((index: number) => LineSpec)[] = [
    () => ({ ...base, lines, streams: ['stdout'], unit: short, repeat: 20 }),
    () => ({ ...base, lines: Math.floor(lines / 2), streams: ['stdout', 'stderr'], unit: short, repeat: 40 }),
    () => ({ ...base, lines, streams: ['stderr'], unit: bytes, repeat: 8 }),
  ];
  const base = { burst: Math.max(10, Math.floor(lines / 150)), pauseMs: PAUSE_MS };
  const long: LineSpec = { ...base, lines: 400, burst: 4, streams: ['stdout'], unit: short, repeat: 100_000 };
  const mixed = { ...long, lines: 200, burst: 2, streams: ['stdout', 'stderr'] } as const;
  const many = Array.from({ length: CONTAINERS - 2 }, (_, index) => kinds[index % kinds.length]?.(index));
  return [long, mixed, ...many.filter((spec) => spec !== undefined)];
}

/** The rotated files, the oldest first, and the log itself. */
function filesOf(log: string): string[] {
  const rotated = readdirSync(path.dirname(log))
    .filter((name) => name.startsWith('0.log.'))
    .sort();
  const all = [...rotated, '0.log'].map((name) => path.join(path.dirname(log), name));
  return all.filter((file) => existsSync(file));
}

async function untilNone(list: () => Promise<string[]>): Promise<void> {
  while ((await list()).length > 0) await delay(200);
}
