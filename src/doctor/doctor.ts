import { connectToCri } from '../client/cri-client.js';
import { DockerodeEngine } from '../docker/dockerode-engine.js';
import type { OfService } from '../unit/of-service.js';
import { socketOf } from '../util/endpoint.js';
import { silentLogger } from '../util/log.js';
import { checkEngine } from './engine-checks.js';
import { checkCheckpoints } from './checkpoint-checks.js';
import { checkCompanion } from './companion-checks.js';
import type { Finding } from './finding.js';
import {
  OTHER_CRI_SOCKETS,
  checkClock,
  checkOtherSockets,
  checkRivals,
  checkRootDirectory,
  checkTools,
  hasGroup,
} from './host-checks.js';
import {
  checkCgroupVersion,
  checkForwardPolicy,
  checkKernel,
  checkSwap,
  forwardRules,
  readSwaps,
} from './kernel-checks.js';
import { checkKubelet, findKubelet } from './kubelet-checks.js';
import { checkNri, checkNriService } from './nri-checks.js';
import { checkPodNetwork, checkSysctls } from './network-checks.js';
import { checkAnswers, checkSettings, checkUnit } from './service-checks.js';

const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Checks the node that it runs on; changes nothing. What follows from a finding has none of its own, so that each broken thing
 * is told once. `kubeletConfig` is the path of the kubelet's config file, where it is not the usual one.
 */
export async function examineNode(service: OfService, kubeletConfig: string | undefined): Promise<Finding[]> {
  const { config, unit } = service;
  const { dockerEndpoint: endpoint, runtimeRequestTimeoutMs: requestTimeoutMs } = config;
  const engine = new DockerodeEngine({ endpoint, env: process.env, log: silentLogger, requestTimeoutMs });
  try {
    const settings = checkSettings(service);
    const ofEngine = await checkEngine(engine, config);
    const info = engine.negotiated === undefined ? undefined : await engine.info();
    const kubelet = await findKubelet(kubeletConfig);
    const hasKubelet = kubelet.configPath !== undefined || kubelet.minor !== undefined;
    const bool = (name: string): boolean | undefined => {
      const value = kubelet.config[name];
      return typeof value === 'boolean' ? value : undefined;
    };
    const findings = [
      ...settings,
      ...ofEngine,
      ...checkKubelet(kubelet, info, config),
      checkCgroupVersion(info, { ...kubelet, failsOnV1: bool('failCgroupV1') }),
      checkSwap(await readSwaps('/proc'), bool('failSwapOn'), hasKubelet),
      ...(await checkPodNetwork(config)),
      ...(await checkSysctls('/proc/sys')),
      ...(config.networkPlugin === 'cni' ? [checkForwardPolicy(await forwardRules())] : []),
      ...(await checkKernel('/proc')),
      ...(info === undefined ? [] : [await checkCompanion(info, (version) => engine.supports(version))]),
      ...(await checkNri(config.nri)),
      await checkCheckpoints(process.env['PATH'] ?? ''),
      ...(await checkTools(process.env['PATH'] ?? '')),
      await checkRootDirectory(config),
      await checkRivals('/proc', unit?.mainPid),
      await checkOtherSockets(OTHER_CRI_SOCKETS, servesCri),
      await checkClock(Date.now()),
    ];
    const ofService = await checkService(service, findings);
    return [...ofService, ...findings];
  } finally {
    engine.close();
  }
}

/** A service that does not run, or not as it should, for a reason that is told already has no finding of its own. */
async function checkService(service: OfService, findings: readonly Finding[]): Promise<Finding[]> {
  const broken = new Set(findings.filter(({ level }) => level === 'failure').map(({ check }) => check));
  if (broken.has('settings') || broken.has('root-directory')) return [];
  const ofUnit = checkUnit(service, await hasGroup('docker'));
  if (ofUnit.some(({ level }) => level === 'failure')) return ofUnit;
  const path = socketOf(service.config.endpoint);
  const cri = connectToCri(path, ANSWER_TIMEOUT_MS);
  try {
    return [
      ...ofUnit,
      ...(await checkAnswers(cri, path, broken, service.unit?.name ?? 'cri-docker.service')),
      ...(await checkNriService(cri, service.config.nri?.socketPath ?? '')),
    ];
  } finally {
    cri.close();
  }
}

async function servesCri(path: string): Promise<boolean> {
  const cri = connectToCri(path, ANSWER_TIMEOUT_MS);
  try {
    await cri.call('Version', { version: 'v1' });
    return true;
  } catch {
    return false;
  } finally {
    cri.close();
  }
}

/** The findings for people, each with its remedy below it, and a line that counts them. */
export function findingsText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, level, message, remedy }) => [
    `${level.padEnd(8)} ${check.padEnd(17)} ${message}`,
    ...(remedy === '' ? [] : [`${' '.repeat(27)}remedy: ${remedy}`]),
  ]);
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length;
  return [...lines, `${count('ok')} ok, ${count('warning')} warnings, ${count('failure')} failures`].join(
    '\n',
  );
}
