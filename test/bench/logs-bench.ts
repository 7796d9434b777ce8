import { execFile } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { NamespaceMode } from '../../src/gen/runtime/v1/NamespaceMode.js';
import { forEachLimited } from '../../src/util/concurrency.js';
import { startCridock, testDockerEndpoint, type CridockProcess } from '../support/cridock-process.js';
import { removePod } from '../support/pod-worker.js';
import { RUN_ON, containerConfig, podConfig } from '../support/pods.js';
import { cpuMs, rssMb } from './measure.js';

const WRITERS = 20;
const LINES_EACH = 100_000;
const IDLE = 110;
const IDLE_SECONDS = 20;
const CALLERS = 4;

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

/** Containers that write as fast as the Engine takes it, after a moment in which `docker logs` connects. */
async function benchWriters(): Promise<void> {
  const command = `sleep 15; awk 'BEGIN { for (k = 1; k <= ${LINES_EACH}; k++) print k, "a line of a usual length, such as an access log has it, for this and that" }'`;
  await withContainers('cri', WRITERS, command, async (cridock, ids) => {
    const cpuBeforeMs = cpuMs(cridock.pid);
    const readers = ids.map((id) => dockerLogs(id));
    const endedAtMs = await untilEnded(cridock, ids);
    const cridockCpuMs = cpuMs(cridock.pid) - cpuBeforeMs;
    const dockerMs = (await Promise.all(readers)).reduce((sum, ms) => sum + ms, 0);
    const millions = (WRITERS * LINES_EACH) / 1e6;
    print(
      'lines per second, written and reported as ended',
      ((millions * 1e6) / ((endedAtMs - 15_000) / 1000)).toFixed(0),
    );
    print('CPU per million lines, cridock', `${(cridockCpuMs / millions).toFixed(0)} ms`);
    print('CPU per million lines, docker logs -f', `${(dockerMs / millions).toFixed(0)} ms`);
  });
}

/** CPU milliseconds that following this container's log to its end costs the docker command. */
async function dockerLogs(id: string): Promise<number> {
  const docker = process.env['DOCKER'] ?? 'docker';
  const script = `${docker} -H ${testDockerEndpoint} logs -f -t ${id} >/dev/null; times`;
  const { stdout } = await promisify(execFile)('bash', ['-c', script]);
  const children = stdout.trim().split('\n')[1] ?? '';
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, seconds]) => (Number(minutes) * 60 + Number(seconds)) * 1000)
    .reduce((sum, ms) => sum + ms, 0);
}

async function untilEnded({ client }: CridockProcess, ids: string[]): Promise<number> {
  const beganMs = performance.now();
  for (;;) {
    const { containers } = await client.runtime.ListContainers({ filter: { state: { state: 1 } } });
    if (!containers.some(({ id }) => ids.includes(id))) return performance.now() - beganMs;
    await delay(100);
  }
}

async function idleCost(mode: 'cri' | 'symlink'): Promise<{ cpuPercent: number; rssMb: number }> {
  const cost = { cpuPercent: 0, rssMb: 0 };
  await withContainers(mode, IDLE, RUN_ON, async ({ pid }) => {
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
  work: (cridock: CridockProcess, ids: string[]) => Promise<void>,
): Promise<void> {
  const cridock = await startCridock({ flags: ['--log-level=warn', `--container-log-mode=${mode}`] });
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
        config: containerConfig(name, 'busybox:latest', command, { linux: hostNetwork }),
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
