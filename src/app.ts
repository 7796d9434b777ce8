import { join } from 'node:path';
import { buildDebug } from './app/build-debug.js';
import { buildEngine } from './app/build-engine.js';
import { buildMirror } from './app/build-mirror.js';
import { buildNri } from './app/build-nri.js';
import { buildNetwork } from './app/build-network.js';
import { buildSettings } from './app/live-settings.js';
import { countResyncs, watchState } from './app/watch-state.js';
import type { Config } from './cli/config.js';
import type { ReloadableConfig } from './cli/reload.js';
import { readBuildInfo } from './cli/version.js';
import { execOutputBudget } from './cri/container/exec-sync.js';
import { dropLogsAfterResync } from './cri/container/log.js';
import { Checkpoints } from './checkpoint/checkpoints.js';
import { FrozenContainers } from './checkpoint/frozen-containers.js';
import { Restores } from './checkpoint/restores.js';
import { Companion } from './companion/companion.js';
import { noSharedWork, type CriDeps } from './cri/deps.js';
import { imageService } from './cri/image-service.js';
import { nriAdjustmentsStore } from './cri/nri/adjust-container.js';
import { clearHalfMade, forgetAdjustments, nriHost, tellPluginsOfChanges } from './cri/nri/host.js';
import { buildReplies } from './cri/replies/build-replies.js';
import { sweepRestores } from './cri/container/restore-source.js';
import { runtimeService } from './cri/runtime-service.js';
import { whyNotReady } from './cri/runtime/status.js';
import { reclaimVanishedSandboxes } from './cri/sandbox/reclaim.js';
import { streamService } from './cri/stream-service.js';
import type { Engine } from './docker/engine.js';
import { EventFeed } from './events/event-feed.js';
import { buildImages } from './images/build-images.js';
import { KnownImages } from './images/known-images.js';
import { heldLimitsStore, settleLimits } from './limits/node-limits.js';
import { ContainerLogs } from './logs/container-logs.js';
import { HeldNamespaces } from './node/held-namespace.js';
import { StatusEndpoint } from './observability/status-endpoint.js';
import type { Tracing } from './observability/tracing.js';
import { loadProtocol } from './server/descriptor.js';
import { CriServer } from './server/grpc-server.js';
import { CheckpointStore } from './state/checkpoint.js';
import { EngineNews } from './state/engine-news.js';
import { podResourcesStore } from './state/pod-resources.js';
import { SealKey } from './state/seal-key.js';
import { Seal } from './state/seal.js';
import { SandboxMetrics } from './stats/pod-metrics.js';
import { Statistics } from './stats/statistics.js';
import { StreamingServer } from './streaming/server.js';
import { sessions } from './streaming/sessions.js';
import { NetnsDialers } from './network/netns-dialer.js';
import type { Logger } from './util/log.js';
import { noCallTraces } from './util/call-traces.js';
import { silentMetrics } from './util/metrics-sink.js';

/** What calls in flight get when cridock is asked to stop; systemd's own limit is longer. */
const STOP_GRACE_MS = 10_000;

/** What a caller may put in the place of the real parts. */
export interface AppOverrides {
  /** Instead of the Docker Engine of the configuration. */
  readonly engine?: Engine;
}

export interface App {
  /** Resolves once the CRI socket is served; the Engine may still be away. */
  start(): Promise<void>;
  /** Takes over what may change while cridock runs. */
  apply(change: Partial<ReloadableConfig>): void;
  /** Ends the calls in flight, the server and the connections. */
  stop(): Promise<void>;
}

/** Builds every part from those before it. Nothing runs before `start`. */
export async function createApp(config: Config, log: Logger, overrides: AppOverrides = {}): Promise<App> {
  const { rootDirectory } = config;
  // Whoever does not want the figures does not pay for the library that keeps them.
  const watched = config.metricsAddress && (await import('./observability/metrics.js')).createMetrics();
  // Nor for those that send traces.
  const traces = config.tracing && (await startTracing(config.tracing, log));
  const figures = watched ?? silentMetrics;
  const metrics = traces?.beside(figures) ?? figures;
  const protocol = loadProtocol();
  const live = await buildSettings(config);

  // The node: the Engine, the network of pods, and the picture of both that reads are answered from.
  const engine = overrides.engine ?? buildEngine(config, metrics, log);
  const network = buildNetwork(config, metrics, log);
  const images = new KnownImages(engine);
  const logs = new ContainerLogs(engine, log);
  const companion = new Companion(rootDirectory, (apiVersion) => engine.supports(apiVersion), log);
  const sealKey = new SealKey(rootDirectory, log);
  const seal = new Seal(sealKey);
  const mirror = buildMirror(config, { engine, network, images, seal, logs, log });

  const plugins = buildNri(config, metrics, log, () => host);

  // What is kept on disk beside Docker's labels.
  const checkpoints = new CheckpointStore({ dir: join(rootDirectory, 'sandbox'), log });
  const heldLimits = heldLimitsStore(rootDirectory, log);
  const podResources = podResourcesStore(rootDirectory, log);
  const podNamespaces = new HeldNamespaces();
  const nriAdjustments = nriAdjustmentsStore(rootDirectory, log);

  // What follows the picture. Each is told of a change in this order.
  countResyncs(mirror, metrics);
  const statistics = new Statistics(mirror, log);
  const events = new EventFeed(mirror, (transition) => metrics.lifeEvent(transition));
  dropLogsAfterResync(logs, mirror);
  const news = new EngineNews(engine, mirror, log);
  const imageParts = buildImages({ engine, seal, mirror, images, news, rootDirectory, log });

  const frozen = new FrozenContainers();
  const restores = new Restores(rootDirectory, { engine, images, seal }, log);
  const savedStates = new Checkpoints({ engine, frozen, rootDirectory, log });

  const streaming = new StreamingServer({
    ...config.streamingAddress,
    tls: config.streamingTls,
    negotiate: sessions({
      engine,
      mirror,
      frozen,
      log,
      execOrphan: config.execOrphan,
      dialers: new NetnsDialers(log),
    }),
    log,
    metrics,
  });
  const deps: CriDeps = {
    ...noSharedWork(),
    ...buildReplies(protocol.encodeReply, heldLimits),
    ...imageParts,
    ...{ engine, companion, nri: plugins.nri, network, images, logs, mirror, statistics, events, streaming },
    ...{ frozen, savedStates, restores },
    ...{ checkpoints, heldLimits, nriAdjustments, podNamespaces, podResources, seal, log },
    execOutput: execOutputBudget(log),
    sandboxMetrics: new SandboxMetrics(statistics),
    settings: live.settings,
  };
  reclaimVanishedSandboxes(deps);
  sweepRestores(deps);
  settleLimits(deps, () => sealKey.isNew);
  clearHalfMade(deps);
  forgetAdjustments(deps);
  tellPluginsOfChanges(deps);
  const host = nriHost(deps);

  const server = new CriServer({
    protocol,
    runtime: runtimeService(deps),
    image: imageService(deps),
    streams: streamService(deps),
    log,
    metrics,
    traces: traces ?? noCallTraces,
  });
  let serving: 'not yet' | 'now' | 'no longer' = 'not yet';
  const status =
    watched &&
    new StatusEndpoint({
      metrics: watched,
      log,
      whyNotReady: async () => (serving === 'now' ? whyNotReady(deps) : `the CRI is served ${serving}`),
    });
  if (watched) watchState(watched, deps, streaming);
  const debug = config.debugSocket === '' ? undefined : await buildDebug(config.debugSocket, server, log);

  return {
    start: async () => {
      if (config.metricsAddress !== undefined) await status?.listen(config.metricsAddress);
      await debug?.start();
      await sealKey.prepare();
      await checkpoints.prepare();
      await heldLimits.prepare();
      await podResources.prepare();
      await savedStates.prepare();
      await nriAdjustments.prepare();
      await network.start();
      statistics.start();
      mirror.start();
      await plugins.start();
      await streaming.start();
      await server.start(config.endpoint);
      serving = 'now';
    },
    apply: (change) => {
      live.apply(change);
      if (change.podCidrs !== undefined) network.setPodCidr(change.podCidrs.join(','));
    },
    stop: async () => {
      serving = 'no longer';
      // Both give their addresses free at once. Sessions need the Engine alone: all else is handed over before they end.
      const sessionsEnd = streaming.stop(config.shutdownGraceMs);
      await server.stop(STOP_GRACE_MS);
      await plugins.stop();
      await news.stop();
      await mirror.stop();
      await logs.stop();
      await status?.close();
      await debug?.stop();
      await statistics.stop();
      await savedStates.stop();
      await companion.stop();
      await imageParts.imageInodes.stop();
      await network.stop();
      await sessionsEnd;
      engine.close();
      await traces?.stop();
    },
  };
}

async function startTracing(settings: NonNullable<Config['tracing']>, log: Logger): Promise<Tracing> {
  const { Tracing } = await import('./observability/tracing.js');
  return new Tracing({ ...settings, version: readBuildInfo().version, log });
}
