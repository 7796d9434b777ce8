import type { Config } from '../cli/config.js';
import { DockerodeEngine } from '../docker/dockerode-engine.js';
import type { Engine } from '../docker/engine.js';
import { nameOfCode } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';

/** The Docker Engine of the configuration. Nothing is asked of it yet. */
export function buildEngine(config: Config, metrics: MetricsSink, log: Logger): Engine {
  return new DockerodeEngine({
    endpoint: config.dockerEndpoint,
    env: process.env,
    log,
    requestTimeoutMs: config.runtimeRequestTimeoutMs,
    onCall: (operation, durationMs, code) => {
      metrics.engineCall(operation, nameOfCode(code), durationMs);
    },
    onFetched: (bytes) => metrics.imageFetched(bytes),
  });
}
