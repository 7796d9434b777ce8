import type { Config } from '../cli/config.js';
import { DockerodeEngine } from '../docker/dockerode-engine.js';
import { silentLogger } from '../util/log.js';
import { checkEngine } from './engine-checks.js';
import type { Finding } from './finding.js';
import {
  OTHER_CRI_SOCKETS,
  checkClock,
  checkOtherSockets,
  checkRivals,
  checkRootDirectory,
  checkTools,
} from './host-checks.js';
import { checkKubelet } from './kubelet-checks.js';
import { checkPodNetwork, checkSysctls } from './network-checks.js';

/** Checks the node that it runs on; changes nothing. `kubeletConfig` is the path of the kubelet's config file. */
export async function examineNode(config: Config, kubeletConfig: string | undefined): Promise<Finding[]> {
  const { dockerEndpoint: endpoint, runtimeRequestTimeoutMs: requestTimeoutMs } = config;
  const engine = new DockerodeEngine({ endpoint, env: process.env, log: silentLogger, requestTimeoutMs });
  try {
    const ofEngine = await checkEngine(engine, config);
    const info = engine.negotiated === undefined ? undefined : await engine.info();
    return [
      ...ofEngine,
      ...(kubeletConfig === undefined ? [] : checkKubelet(kubeletConfig, info, config)),
      ...(await checkPodNetwork(config)),
      ...(await checkSysctls('/proc/sys')),
      ...(await checkTools(process.env['PATH'] ?? '')),
      await checkRootDirectory(config),
      await checkRivals('/proc'),
      await checkOtherSockets(OTHER_CRI_SOCKETS),
      await checkClock(Date.now()),
    ];
  } finally {
    engine.close();
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
