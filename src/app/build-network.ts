import type { Config } from '../cli/config.js';
import { CniNetwork } from '../network/cni/cni-network.js';
import { DockerBridgeNetwork } from '../network/docker-bridge.js';
import type { PodNetwork } from '../network/network.js';
import { nameOfCode } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';

/** The network that pods get: of CNI plugins, or Docker's own bridge. */
export function buildNetwork(config: Config, metrics: MetricsSink, log: Logger): PodNetwork {
  if (config.networkPlugin !== 'cni') return new DockerBridgeNetwork(log);
  return new CniNetwork({
    confDir: config.cniConfDir,
    binDirs: [...config.cniBinDirs],
    cacheDir: config.cniCacheDir,
    podCidr: config.podCidrs.join(','),
    log,
    onOperation: (command, durationMs, code) => {
      metrics.cniOperation(command, nameOfCode(code), durationMs);
    },
  });
}
