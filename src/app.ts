import { join } from 'node:path';
import type { Config } from './cli/config.js';
import { compareConfigs, type ReloadableConfig } from './cli/reload.js';
import { readBuildInfo } from './cli/version.js';
import { pinnedBy } from './convert/image/pinned-images.js';
import { containerEntry } from './cri/replies/container-messages.js';
import { logProblems, observeLog } from './cri/container/log.js';
import { containerAttributes } from './cri/replies/container-messages.js';
import type { CriDeps, CriSettings } from './cri/deps.js';
import { EntryList } from './cri/replies/entry-list.js';
import { EventFeed } from './events/event-feed.js';
import { ImageDiskUsage } from './images/disk-usage.js';
import { ImageInodes } from './images/inodes.js';
import { ImageAccounts } from './images/accounts.js';
import { ImageSizes } from './images/sizes.js';
import { ImageVolumes, sweepImageVolumes } from './images/volumes.js';
import { sandboxImageAuth } from './cri/sandbox/image-auth.js';
import { imageService } from './cri/image-service.js';
import { readHeldLimits, settleHeldLimits } from './limits/node-limits.js';
import { lowestOomScoreAdj } from './limits/oom-score-limit.js';
import { runtimeService } from './cri/runtime-service.js';
import { whyNotReady } from './cri/runtime/status.js';
import { sandboxEntry } from './cri/replies/sandbox-messages.js';
import { SandboxMetrics } from './stats/pod-metrics.js';
import { reclaimAfterRemoval, reclaimAllVanished } from './cri/sandbox/reclaim.js';
import { sandboxAttributes } from './cri/replies/sandbox-messages.js';
import { Statistics } from './stats/statistics.js';
import { StatsEntries } from './stats/stats-entries.js';
import { StatusReplies } from './cri/replies/status-replies.js';
import { streamService } from './cri/stream-service.js';
import { readPodResources } from './state/pod-resources.js';
import { removeOldScratchContainers } from './images/scratch-container.js';
import { DockerodeEngine } from './docker/dockerode-engine.js';
import type { Engine } from './docker/engine.js';
import { ContainerLogs } from './logs/container-logs.js';
import { CniNetwork } from './network/cni/cni-network.js';
import { DockerBridgeNetwork } from './network/docker-bridge.js';
import type { PodNetwork } from './network/network.js';
import { podAddresses } from './network/pod-addresses.js';
import { createLogger } from './observability/logger.js';
import type { Metrics } from './observability/metrics.js';
import { StatusEndpoint } from './observability/status-endpoint.js';
import { loadProtocol } from './server/descriptor.js';
import { CriServer } from './server/grpc-server.js';
import { onSignals, surviveStrayErrors } from './server/signals.js';
import { createServiceNotifier } from './server/systemd.js';
import { StreamingServer } from './streaming/server.js';
import { sessions } from './streaming/sessions.js';
import { CheckpointStore } from './state/checkpoint.js';
import { imageNames } from './images/names.js';
import { KnownImages } from './images/known-images.js';
import { JsonStore } from './state/json-store.js';
import { Mirror } from './state/mirror.js';
import { readRecord } from './state/read-record.js';
import { nameOfCode } from './util/cri-error.js';
import { KeyedMutex } from './util/keyed-mutex.js';
import { optimiseFromNowOn } from './util/own-program.js';
import type { Logger } from './util/log.js';
import { silentMetrics, type MetricsSink } from './util/metrics-sink.js';
import { insideOf } from './util/wire-writer.js';
import { SharedCalls } from './util/shared-calls.js';

const RECONCILE_EVERY_MS = 180_000;
const COMPARE_EVERY_MS = 10_000;

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

/** Builds every part and wires them. Nothing runs before `start`. */
export async function createApp(config: Config, log: Logger, overrides: AppOverrides = {}): Promise<App> {
  // Whoever does not want the figures does not pay for the library that keeps them.
  const watched = config.metricsAddress && (await import('./observability/metrics.js')).createMetrics();
  const metrics = watched ?? silentMetrics;
  const engine = overrides.engine ?? connectEngine(config, metrics, log);
  const network = createNetwork(config, metrics, log);
  const images = new KnownImages(engine);
  const protocol = loadProtocol();
  const checkpoints = new CheckpointStore({ dir: join(config.rootDirectory, 'sandbox'), log });
  const logs = new ContainerLogs(engine, log);
  const statistics = new Statistics(log);
  const events = new EventFeed(
    () => mirror.lastKnown,
    (transition) => metrics.lifeEvent(transition),
  );
  const mirror = new Mirror({
    engine,
    log,
    read: async (inspect) => {
      const record = await readRecord(inspect, {
        addresses: (sandbox) => podAddresses(network, sandbox),
        image: (container, labels) => imageNames(container, labels, images),
        log,
      });
      if (record?.kind === 'container') await observeLog(logs, record);
      return record;
    },
    reconcileEveryMs: RECONCILE_EVERY_MS,
    compareEveryMs: COMPARE_EVERY_MS,
    requestTimeoutMs: config.runtimeRequestTimeoutMs,
  });
  let live: ReloadableConfig = config;
  let isPinned = pinnedIn(config.podInfraContainerImage, live);
  const settings: CriSettings = {
    cridockVersion: readBuildInfo().version,
    podInfraContainerImage: config.podInfraContainerImage,
    get containerLogs() {
      return {
        mode: live.containerLogMode,
        driver: live.containerLogDriver,
        maxSize: live.containerLogMaxSize,
        maxFiles: live.containerLogMaxFiles,
      };
    },
    sandboxImageAuth: () =>
      sandboxImageAuth(config.podInfraContainerImage, config.podInfraContainerImageAuth),
    minOomScoreAdj: await lowestOomScoreAdj(config.restrictOomScoreAdj),
    get imagePullProgressDeadlineMs() {
      return live.imagePullProgressDeadlineMs;
    },
    isPinned: (fullName) => isPinned(fullName),
  };
  const streaming = new StreamingServer({
    ...config.streamingAddress,
    tls: config.streamingTls,
    negotiate: sessions({ engine, mirror, log, execOrphan: config.execOrphan }),
    log,
    metrics,
  });
  const heldLimits = new JsonStore({ dir: join(config.rootDirectory, 'limits'), read: readHeldLimits, log });
  const deps: CriDeps = {
    engine,
    mirror,
    network,
    checkpoints,
    logs,
    settings,
    streaming,
    log,
    podLocks: new KeyedMutex(),
    sandboxRuns: new SharedCalls(),
    containerCreates: new SharedCalls(),
    pulls: new SharedCalls(),
    imageRemovals: new SharedCalls(),
    sandboxListing: new EntryList((sandbox) =>
      protocol.encodeReply('ListPodSandbox', { items: [sandboxEntry(sandbox)] }),
    ),
    containerListing: new EntryList((container) =>
      protocol.encodeReply('ListContainers', { containers: [containerEntry(container)] }),
    ),
    statusReplies: new StatusReplies(protocol.encodeReply, heldLimits),
    images,
    imageDiskUsage: new ImageDiskUsage(engine),
    imageInodes: new ImageInodes(engine, log),
    statistics,
    containerStatsEntries: new StatsEntries((container) =>
      insideOf(protocol.encodeReply('ListContainerStats', { stats: [containerAttributes(container)] })),
    ),
    sandboxStatsEntries: new StatsEntries((sandbox) =>
      insideOf(protocol.encodeReply('ListPodSandboxStats', { stats: [sandboxAttributes(sandbox)] })),
    ),
    sandboxMetrics: new SandboxMetrics(statistics),
    events,
    imageSizes: new ImageSizes(),
    imageVolumes: new ImageVolumes(engine, join(config.rootDirectory, 'image-volumes')),
    imageAccounts: new ImageAccounts(engine),
    heldLimits,
    podResources: new JsonStore({
      dir: join(config.rootDirectory, 'pod-resources'),
      read: readPodResources,
      log,
    }),
  };
  mirror.subscribe({
    onResync: (reason, corrected, ids) => {
      metrics.stateResync(reason);
      metrics.stateDivergence(corrected);
      void reclaimAllVanished(deps);
      logs.retain(ids);
      void settleHeldLimits(deps);
      void removeOldScratchContainers(engine, log);
      void sweepImageVolumes(deps);
    },
    onChange: (change, isNews) => {
      statistics.note(change);
      if (isNews) events.note(change);
      if (change.before?.kind === 'sandbox' && change.after === undefined) {
        void reclaimAfterRemoval(deps, change.before.id);
      }
    },
  });
  const server = new CriServer({
    protocol,
    runtime: runtimeService(deps),
    image: imageService(deps),
    streams: streamService(deps),
    log,
    metrics,
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

  return {
    start: async () => {
      if (config.metricsAddress !== undefined) await status?.listen(config.metricsAddress);
      await checkpoints.prepare();
      await deps.heldLimits.prepare();
      await deps.podResources.prepare();
      await network.start();
      statistics.start();
      mirror.start();
      await streaming.start();
      await server.start(config.endpoint);
      serving = 'now';
    },
    apply: (change) => {
      live = { ...live, ...change };
      isPinned = pinnedIn(config.podInfraContainerImage, live);
      if (change.podCidrs !== undefined) network.setPodCidr(change.podCidrs.join(','));
    },
    stop: async () => {
      serving = 'no longer';
      await server.stop(STOP_GRACE_MS);
      await streaming.stop();
      await mirror.stop();
      await logs.stop();
      await status?.close();
      await statistics.stop();
      await deps.imageInodes.stop();
      await network.stop();
      engine.close();
    },
  };
}

/**
 * Runs cridock until a signal ends it; answers the exit code. `readConfig` reads the configuration anew for SIGHUP and
 * throws when it cannot be used: then everything stays as it is.
 */
export async function run(config: Config, readConfig: () => Config): Promise<number> {
  const log = createLogger({ level: config.logLevel, format: config.logFormat });
  for (const note of config.notes) log.warn(note);
  const notifier = createServiceNotifier(process.env, log);
  const app = await createApp(config, log);
  let current = config;
  const reload = async (): Promise<void> => {
    await notifier.reloading();
    try {
      const next = readConfig();
      const { now, applied, afterRestart } = compareConfigs(current, next);
      if (now.logLevel !== undefined) log.setLevel(now.logLevel);
      app.apply(now);
      current = next;
      log.info('configuration reloaded', {
        applied: applied.join('; ') || 'nothing',
        afterRestart: afterRestart.join(', ') || 'nothing',
      });
    } finally {
      await notifier.ready();
    }
  };
  const stopped = new Promise<void>((resolve, reject) => {
    const stop = async (): Promise<void> => {
      await notifier.stopping();
      await app.stop().then(resolve, reject);
    };
    onSignals({ stop, reload }, log);
  });
  await app.start();
  await notifier.ready();
  optimiseFromNowOn();
  const stopSurviving = surviveStrayErrors(log);
  await stopped;
  stopSurviving();
  return 0;
}

function pinnedIn(podInfraContainerImage: string, { pinnedImages }: ReloadableConfig) {
  return pinnedBy([podInfraContainerImage, ...pinnedImages]);
}

function connectEngine(config: Config, metrics: MetricsSink, log: Logger): Engine {
  return new DockerodeEngine({
    endpoint: config.dockerEndpoint,
    env: process.env,
    log,
    requestTimeoutMs: config.runtimeRequestTimeoutMs,
    onCall: (operation, durationMs, code) => {
      metrics.engineCall(operation, nameOfCode(code), durationMs);
    },
  });
}

/** What an operator wants to see besides the rates of calls. */
function watchState(metrics: Metrics, deps: CriDeps, streaming: StreamingServer): void {
  const { mirror, events, logs } = deps;
  metrics.watchProcess();
  metrics.watch('cri_engine_up', '1 while the picture is kept in step with the Engine.', () =>
    mirror.problem === undefined ? 1 : 0,
  );
  metrics.watch('cri_sandboxes', 'Pod sandboxes.', () => mirror.lastKnown.sandboxes.size);
  metrics.watch('cri_containers', 'Containers.', () => mirror.lastKnown.containers.size);
  metrics.watch('cri_event_readers', 'Clients that follow container events.', () => events.readers);
  metrics.watch(
    'cri_streaming_sessions',
    'Open exec, attach and port-forward sessions.',
    () => streaming.sessionCount,
  );
  metrics.watch('cri_logs_followed', 'Containers whose log is followed.', () => logs.followed);
  metrics.watch(
    'cri_logs_failing',
    'Containers whose log cannot be written now.',
    () => logProblems(deps).length,
  );
}

function createNetwork(config: Config, metrics: MetricsSink, log: Logger): PodNetwork {
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
