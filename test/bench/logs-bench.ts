import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Mount } from '../../src/gen/runtime/v1/Mount.js';
import { NamespaceMode } from '../../src/gen/runtime/v1/NamespaceMode.js';
import { forEachLimited } from '../../src/util/concurrency.js';
import { startCridock, testDockerEndpoint, type CridockProcess } from '../support/cridock-process.js';
import { removePod } from '../support/pod-worker.js';
import { RUN_ON, containerConfig, podConfig } from '../support/pods.js';
import { SHIPPED_NODE_FLAGS, cpuMs, rssMb } from './measure.js';

const WRITERS = 20;
const LINES_EACH = 100_000;
const IDLE = 110;
const IDLE_SECONDS = 20;
const CALLERS = 4;
/** In which the docker commands have connected. */
const CONNECT_MS = 5_000;

const hostNetwork = {
  security_context: { namespace_options: { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER } },
};

/**
 * The log writer against `docker logs -f` of the same containers at the same time, and what idle logs cost. Needs an Engine
 * (CRIDOCK_TEST_DOCKER) with busybox:latest, and its docker command (DOCKER).
 */
async function main(): Promise<void> {
  await benchWriters();
  const without = await idleCost('symlink');
  const withLogs = await idleCost('cri');
  print(`CPU for ${IDLE} idle logs`, `${(withLogs.cpuPercent - without.cpuPercent).toFixed(2)} %`);
  print(`RSS for ${IDLE} idle logs`, `${(withLogs.rssMb - without.rssMb).toFixed(1)} MB`);
}

/** Containers that write as fast as the Engine takes it, once all are followed by both. */
async function benchWriters(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cridock-logs-bench-'));
  const go = { host_path: folder, container_path: '/go', readonly: true };
  const line = 'a line of a usual length, such as an access log has it, for this and that';
  const command = `until [ -e /go/now ]; do usleep 20000; done; awk 'BEGIN { for (k = 1; k <= ${LINES_EACH}; k++) print k, "${line}" }'`;
  const millions = (WRITERS * LINES_EACH) / 1e6;
  await withContainers('cri', WRITERS, command, [go], async (cridock, ids) => {
    const readers = ids.map((id) => dockerLogs(id));
    await delay(CONNECT_MS);
    const cpuBeforeMs = cpuMs(cridock.pid);
    const beganMs = performance.now();
    await writeFile(path.join(folder, 'now'), '');
    const [cridockEndMs, ...results] = await Promise.all([untilEnded(cridock, ids), ...readers]);
    const cridockCpuMs = cpuMs(cridock.pid) - cpuBeforeMs;
    const dockerCpuMs = results.reduce((sum, { cpuMs: each }) => sum + each, 0);
    const dockerEndMs = Math.max(...results.map(({ endedMs }) => endedMs));
    const perSecond = (endMs: number): string => ((millions * 1e9) / (endMs - beganMs)).toFixed(0);
    print('lines per second, cridock: written, and the end told', perSecond(cridockEndMs));
    print('lines per second, docker logs -f: read', perSecond(dockerEndMs));
    print('CPU per million lines, cridock', `${(cridockCpuMs / millions).toFixed(0)} ms`);
    print('CPU per million lines, docker logs -f', `${(dockerCpuMs / millions).toFixed(0)} ms`);
  });
  await rm(folder, { recursive: true });
}

/** Follows this container's log to its end: CPU milliseconds that it costs the docker command, and when it ends. */
async function dockerLogs(id: string): Promise<{ cpuMs: number; endedMs: number }> {
  const docker = process.env['DOCKER'] ?? 'docker';
  const script = `${docker} -H ${testDockerEndpoint} logs -f -t ${id} >/dev/null; times`;
  const { stdout } = await promisify(execFile)('bash', ['-c', script]);
  const endedMs = performance.now();
  const children = stdout.trim().split('\n')[1] ?? '';
  const used = [...children.matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, seconds]) => (Number(minutes) * 60 + Number(seconds)) * 1000)
    .reduce((sum, ms) => sum + ms, 0);
  return { cpuMs: used, endedMs };
}

async function untilEnded({ client }: CridockProcess, ids: string[]): Promise<number> {
  for (;;) {
    const { containers } = await client.runtime.ListContainers({ filter: { state: { state: 1 } } });
    if (!containers.some(({ id }) => ids.includes(id))) return performance.now();
    await delay(100);
  }
}

async function idleCost(mode: 'cri' | 'symlink'): Promise<{ cpuPercent: number; rssMb: number }> {
  const cost = { cpuPercent: 0, rssMb: 0 };
  await withContainers(mode, IDLE, RUN_ON, [], async ({ pid }) => {
    await delay(5_000);
    const beforeMs = cpuMs(pid);
    await delay(IDLE_SECONDS * 1000);
    cost.cpuPercent = (cpuMs(pid) - beforeMs) / (IDLE_SECONDS * 10);
    cost.rssMb = rssMb(pid);
  });
  print(
    `idle, --container-log-mode=${mode}`,
    `${cost.cpuPercent.toFixed(2)} % CPU, ${cost.rssMb.toFixed(1)} MB`,
  );
  return cost;
}

async function withContainers(
  mode: 'cri' | 'symlink',
  count: number,
  command: string,
  mounts: Mount[],
  work: (cridock: CridockProcess, ids: string[]) => Promise<void>,
): Promise<void> {
  const flags = ['--log-level=warn', `--container-log-mode=${mode}`];
  const nodeFlags = [...SHIPPED_NODE_FLAGS, ...(process.env['CRIDOCK_BENCH_NODE_FLAGS']?.split(' ') ?? [])];
  const cridock = await startCridock({ flags, nodeFlags });
  const { client, directory } = cridock;
  const config = { ...podConfig('logs-bench', directory), linux: hostNetwork };
  config.log_directory = path.join(directory, 'logs');
  const { pod_sandbox_id: sandboxId } = await client.runtime.RunPodSandbox({ config });
  const containerIds: string[] = [];
  try {
    const names = Array.from({ length: count }, (_, index) => `c${index}`);
    await forEachLimited(names, CALLERS, async (name) => {
      const request = {
        pod_sandbox_id: sandboxId,
        config: containerConfig(name, 'busybox:latest', command, { linux: hostNetwork, mounts }),
        sandbox_config: config,
      };
      containerIds.push((await client.runtime.CreateContainer(request)).container_id);
    });
    await forEachLimited(containerIds, CALLERS, async (id) => {
      await client.runtime.StartContainer({ container_id: id });
    });
    await work(cridock, containerIds);
  } finally {
    await removePod(client, { sandboxId, containerIds });
    await cridock.stop();
  }
}

function print(what: string, figure: string): void {
  console.log(`${what.padEnd(52)} ${figure}`);
}

await main();
