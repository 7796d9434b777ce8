import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { printConfig } from '../cli/print-config.js';
import { buildInfoText, readBuildInfo } from '../cli/version.js';
import { readMetrics } from '../client/metrics-client.js';
import { KIND_LABEL } from '../convert/text/labels.js';
import { DockerodeEngine } from '../docker/dockerode-engine.js';
import type { Engine } from '../docker/engine.js';
import type { ContainerInspect } from '../docker/types.js';
import { examineNode, findingsText } from '../doctor/doctor.js';
import { readStatus } from '../status/status.js';
import { statusScreen } from '../status/screen.js';
import type { OfService } from '../unit/of-service.js';
import { messageOf } from '../util/cri-error.js';
import { silentLogger } from '../util/log.js';
import { runProgram } from '../util/run-program.js';
import { scrubJson, scrubText } from './scrub.js';

const COMMAND_TIMEOUT_MS = 20_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const JOURNAL_LINES = '20000';
/** Of containers in trouble this many are told of, the newest. */
const MAX_INSPECTS = 30;
const INSPECT_TIMEOUT_MS = 5_000;

/** A file of the archive: its path there, and what makes its text. */
interface Part {
  readonly path: string;
  readonly text: () => Promise<string>;
}

/** What was written. */
export interface Sysdump {
  /** `-` for standard output. */
  readonly path: string;
  readonly files: readonly string[];
}

/**
 * Writes a gzipped tar archive for a report of a problem. What cannot be had is told in a file of the same name; nothing of it
 * is on disk in between but in a folder that only its owner reads.
 */
export async function writeSysdump(service: OfService, output: string | undefined): Promise<Sysdump> {
  const name = `cridock-sysdump-${hostname()}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`;
  const work = await mkdtemp(join(tmpdir(), 'cridock-sysdump-'));
  const { dockerEndpoint: endpoint, runtimeRequestTimeoutMs: requestTimeoutMs } = service.config;
  const engine = new DockerodeEngine({ endpoint, env: process.env, log: silentLogger, requestTimeoutMs });
  try {
    const parts = await partsOf(service, engine);
    for (const { path, text } of parts) {
      const content = await text().catch((error: unknown) => `cannot be had: ${messageOf(error)}\n`);
      const target = join(work, name, path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content.endsWith('\n') ? content : `${content}\n`);
    }
    const target = output ?? `${name}.tar.gz`;
    await pack(work, name, target);
    return { path: target, files: parts.map(({ path }) => path) };
  } finally {
    engine.close();
    await rm(work, { recursive: true });
  }
}

async function partsOf(service: OfService, engine: Engine): Promise<Part[]> {
  const { unit, config, sources } = service;
  const names = [unit?.name ?? 'cri-docker.service', ...service.otherUnits.map(({ name }) => name)];
  const findings = examineNode(service, undefined);
  const status = readStatus(service);
  // Who reads them is told what went wrong; until then it is nobody's.
  findings.catch(() => undefined);
  const fixed: Part[] = [
    { path: 'version.txt', text: () => Promise.resolve(buildInfoText('cridock', readBuildInfo())) },
    { path: 'doctor.json', text: async () => json(await findings) },
    { path: 'doctor.txt', text: async () => scrubText(findingsText(await findings)) },
    { path: 'config.yaml', text: () => Promise.resolve(scrubText(configText(service))) },
    { path: 'status.json', text: async () => json(await status) },
    {
      path: 'status.txt',
      text: async () => scrubText(statusScreen(await status, { colour: false, nowMs: Date.now() })),
    },
    { path: 'metrics.txt', text: () => metricsText(service) },
    {
      path: 'journal.txt',
      text: () =>
        command(
          'journalctl',
          ...names.flatMap((name) => ['--unit', name]),
          '--no-pager',
          '--lines',
          JOURNAL_LINES,
        ),
    },
    {
      path: 'journal-docker.txt',
      text: () => command('journalctl', '--unit', 'docker', '--no-pager', '--lines', '5000'),
    },
    {
      path: 'journal-kubelet.txt',
      text: () => command('journalctl', '--unit', 'kubelet', '--no-pager', '--lines', '5000'),
    },
    { path: 'units.txt', text: () => command('systemctl', 'cat', ...names, ...names.map(socketOfUnit)) },
    {
      path: 'unit-state.txt',
      text: () => command('systemctl', 'show', ...names, ...names.map(socketOfUnit), 'docker.service'),
    },
    { path: 'engine/version.json', text: async () => json((await engine.negotiate()).version) },
    { path: 'engine/info.json', text: async () => json(await engine.info()) },
    { path: 'host/mounts.txt', text: () => fileText('/proc/self/mounts') },
    { path: 'host/kernel.txt', text: () => command('uname', '-a') },
    { path: 'host/processes.txt', text: () => command('ps', '-eo', 'pid,ppid,comm,rss,etimes') },
    { path: 'host/addresses.txt', text: () => command('ip', 'address') },
    { path: 'host/iptables.txt', text: () => command('iptables-save') },
  ];
  const files = [...sources.configFiles, ...(await filesIn(config.cniConfDir))];
  return [
    ...fixed,
    ...files.map((path) => ({ path: join('files', path), text: () => fileText(path) })),
    ...(await inspects(engine)),
  ];
}

/** Settings that cannot be used are told with what is wrong with them. */
function configText({ sources, problems }: OfService): string {
  try {
    return printConfig(sources);
  } catch {
    return problems.map((problem) => `# ${problem}`).join('\n');
  }
}

async function metricsText({ config: { metricsAddress } }: OfService): Promise<string> {
  if (metricsAddress === undefined) return 'no metrics are served (--metrics-bind-addr)';
  return scrubText(await readMetrics(metricsAddress));
}

/** Of containers that ended badly, hang, or were never started. */
async function inspects(engine: Engine): Promise<Part[]> {
  const inspected: ContainerInspect[] = [];
  try {
    for (const { Id: id } of await engine.listContainers([KIND_LABEL])) {
      if (inspected.length === MAX_INSPECTS) break;
      const signal = AbortSignal.timeout(INSPECT_TIMEOUT_MS);
      const one = await engine.inspectContainer(id, { signal }).catch(() => undefined);
      if (one !== undefined && isInTrouble(one)) inspected.push(one);
    }
  } catch (error) {
    return [{ path: 'containers/README.txt', text: () => Promise.reject(asError(error)) }];
  }
  return inspected.map((one) => ({
    path: `containers/${one.Id.slice(0, 13)}.json`,
    text: () => Promise.resolve(json(one)),
  }));
}

function isInTrouble({ State }: ContainerInspect): boolean {
  if (State.Running) return State.Status !== 'running';
  return State.ExitCode !== 0 || State.OOMKilled || State.Error !== '' || State.Status === 'created';
}

function json(value: unknown): string {
  return JSON.stringify(scrubJson(value), undefined, 2);
}

/** A file of the node: JSON member by member, other text by what it looks like. */
async function fileText(path: string): Promise<string> {
  const text = await readFile(path, 'utf8');
  try {
    return json(JSON.parse(text));
  } catch {
    return scrubText(text);
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  // Network plugins keep their credentials for the API server beside their configurations.
  return entries
    .filter((entry) => entry.isFile() && /\.(conf|conflist|json)$/.test(entry.name))
    .map((entry) => join(folder, entry.name));
}

async function command(program: string, ...args: string[]): Promise<string> {
  const options = { timeoutMs: COMMAND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
  const { stdout, stderr } = await runProgram(program, args, options).catch((error: unknown) => ({
    stdout: '',
    stderr: messageOf(error),
  }));
  return scrubText(stdout === '' ? stderr : stdout);
}

async function pack(work: string, name: string, target: string): Promise<void> {
  if (target === '-') {
    const archive = join(work, 'archive');
    await promisify(execFile)('tar', ['-C', work, '-czf', archive, name]);
    const bytes = await readFile(archive);
    await new Promise<void>((resolve) => process.stdout.write(bytes, () => resolve()));
    return;
  }
  await writeFile(target, '', { mode: 0o600 });
  await promisify(execFile)('tar', [
    '-C',
    work,
    '-czf',
    target.startsWith('/') ? target : join(process.cwd(), target),
    name,
  ]);
}

function socketOfUnit(name: string): string {
  return name.replace(/service$/, 'socket');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
