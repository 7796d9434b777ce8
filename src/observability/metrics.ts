import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { MetricsSink } from '../util/metrics-sink.js';

/** The process's metrics. */
export interface Metrics extends MetricsSink {
  /** Says what runs here: the labels of `cri_build_info`, whose value is 1. */
  tellBuild(labels: { version: string; commit: string; node: string }): void;
  /** A figure that is asked for whenever the metrics are. */
  watch(name: string, help: string, read: () => number): void;
  /** Adds the figures of this process: memory, CPU time, open files, the event loop. */
  watchProcess(): void;
  /** All of them in Prometheus' text format. */
  text(): Promise<string>;
}

/** How often the delay of the event loop is sampled. */
const EVENT_LOOP_SAMPLE_MS = 100;

/** From answers out of memory to pulls of large images. */
const BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];

const MOST_NRI_PLUGINS = 32;

/** Metrics in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const durations = <Label extends string>(name: string, help: string, labels: Label[]): Histogram<Label> =>
    new Histogram({ name, help, labelNames: labels, buckets: BUCKETS_SECONDS, registers: [registry] });

  const rpcs = durations('cri_rpc_duration_seconds', 'Time to answer CRI calls.', ['rpc', 'code']);
  const engineCalls = durations('cri_engine_request_duration_seconds', 'Time of requests to the Engine.', [
    'operation',
    'code',
  ]);
  const cniOperations = durations('cri_cni_operation_duration_seconds', 'Time of CNI operations.', [
    'operation',
    'code',
  ]);
  const fetchedBytes = new Counter({
    name: 'cri_image_fetched_bytes_total',
    help: 'Bytes of images that came from registries, as they come.',
    registers: [registry],
  });
  const resyncs = new Counter({
    name: 'cri_state_resyncs_total',
    help: 'Times that the picture of sandboxes and containers was read anew.',
    labelNames: ['reason'],
    registers: [registry],
  });
  const divergences = new Counter({
    name: 'cri_state_divergences_total',
    help: 'Objects that a resync found to differ from the picture.',
    registers: [registry],
  });
  const refusals = new Counter({
    name: 'cri_streaming_refused_total',
    help: 'Connections for exec, attach and port-forward that were refused.',
    labelNames: ['reason'],
    registers: [registry],
  });
  const sessions = durations('cri_streaming_session_duration_seconds', 'Time that sessions were open.', [
    'kind',
  ]);
  const lifeEvents = new Counter({
    name: 'cri_life_events_total',
    help: 'Steps in the lives of sandboxes and containers.',
    labelNames: ['transition'],
    registers: [registry],
  });
  const nriCalls = durations('cri_nri_call_duration_seconds', 'Time of calls to NRI plugins.', [
    'plugin',
    'event',
    'code',
  ]);
  const nriPlugins = new Set<string>();
  // Whoever registers under ever new names makes no more figures.
  const known = (plugin: string): string => {
    if (nriPlugins.size < MOST_NRI_PLUGINS) nriPlugins.add(plugin);
    return nriPlugins.has(plugin) ? plugin : 'other';
  };
  return {
    rpc: (rpc, code, durationMs) => rpcs.observe({ rpc, code }, durationMs / 1000),
    engineCall: (operation, code, durationMs) => engineCalls.observe({ operation, code }, durationMs / 1000),
    imageFetched: (bytes) => fetchedBytes.inc(bytes),
    cniOperation: (operation, code, durationMs) =>
      cniOperations.observe({ operation, code }, durationMs / 1000),
    stateResync: (reason) => resyncs.inc({ reason }),
    stateDivergence: (objects) => divergences.inc(objects),
    streamingRefused: (reason) => refusals.inc({ reason }),
    streamingSession: (kind, durationMs) => sessions.observe({ kind }, durationMs / 1000),
    nriCall: (plugin, event, code, durationMs) =>
      nriCalls.observe({ plugin: known(plugin), event, code }, durationMs / 1000),
    lifeEvent: (transition) => lifeEvents.inc({ transition }),
    tellBuild: (labels) => {
      const names = Object.keys(labels);
      const build = new Gauge({
        name: 'cri_build_info',
        help: 'What runs here; always 1.',
        labelNames: names,
        registers: [registry],
      });
      build.set(labels, 1);
    },
    watch: (name, help, read) => {
      const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
    },
    watchProcess: () =>
      collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS }),
    text: () => registry.metrics(),
  };
}
