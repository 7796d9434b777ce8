import type { Scrape } from './scrape.js';
import { gauge, quantile, rate, type LineOf, type Series } from './series.js';

/** One plot of the page. */
export interface Panel {
  readonly title: string;
  readonly unit: 'seconds' | 'per second' | 'bytes' | 'count' | 'share';
  readonly lines: (history: readonly Scrape[]) => Series[];
}

const by =
  (label: string): LineOf =>
  (labels) =>
    labels[label];
const failed =
  (label: string): LineOf =>
  (labels) =>
    labels['code'] === 'OK' ? undefined : `${labels[label] ?? ''} ${labels['code'] ?? ''}`;
const named =
  (name: string): LineOf =>
  () =>
    name;

/** What an operator wants to see of a node's cridock, from what it does for the kubelet down to what it takes. */
export const PANELS: readonly Panel[] = [
  {
    title: 'CRI calls',
    unit: 'per second',
    lines: (history) => rate(history, 'cri_rpc_duration_seconds_count', by('rpc')),
  },
  {
    title: 'CRI calls: median time',
    unit: 'seconds',
    lines: (history) => quantile(history, 'cri_rpc_duration_seconds', 0.5, by('rpc')),
  },
  {
    title: 'CRI calls: 99 of 100 are faster',
    unit: 'seconds',
    lines: (history) => quantile(history, 'cri_rpc_duration_seconds', 0.99, by('rpc')),
  },
  {
    title: 'Failed calls, of the CRI, the Engine and CNI',
    unit: 'per second',
    lines: (history) => [
      ...rate(history, 'cri_rpc_duration_seconds_count', failed('rpc')),
      ...rate(history, 'cri_engine_request_duration_seconds_count', failed('operation')),
      ...rate(history, 'cri_cni_operation_duration_seconds_count', failed('operation')),
    ],
  },
  {
    title: 'Engine requests',
    unit: 'per second',
    lines: (history) => rate(history, 'cri_engine_request_duration_seconds_count', by('operation')),
  },
  {
    title: 'Engine requests: median time',
    unit: 'seconds',
    lines: (history) => quantile(history, 'cri_engine_request_duration_seconds', 0.5, by('operation')),
  },
  {
    title: 'CNI operations: median time',
    unit: 'seconds',
    lines: (history) => quantile(history, 'cri_cni_operation_duration_seconds', 0.5, by('operation')),
  },
  {
    title: 'Sandboxes and containers',
    unit: 'count',
    lines: (history) => [
      ...gauge(history, 'cri_sandboxes', named('sandboxes')),
      ...gauge(history, 'cri_containers', named('containers')),
      ...gauge(history, 'cri_engine_up', named('Engine up')),
    ],
  },
  {
    title: 'Steps in the lives of sandboxes and containers',
    unit: 'per second',
    lines: (history) => rate(history, 'cri_life_events_total', by('transition')),
  },
  {
    title: 'Readings of the whole state, and what they corrected (so far)',
    unit: 'count',
    lines: (history) => [
      ...gauge(history, 'cri_state_resyncs_total', by('reason')),
      ...gauge(history, 'cri_state_divergences_total', named('corrected')),
    ],
  },
  {
    title: 'Exec, attach and port-forward',
    unit: 'count',
    lines: (history) => [
      ...gauge(history, 'cri_streaming_sessions', named('open')),
      ...gauge(
        history,
        'cri_streaming_session_duration_seconds_count',
        (labels) => `${labels['kind'] ?? ''} ended`,
      ),
      ...gauge(history, 'cri_streaming_refused_total', (labels) => `refused: ${labels['reason'] ?? ''}`),
    ],
  },
  {
    title: 'Container logs',
    unit: 'count',
    lines: (history) => [
      ...gauge(history, 'cri_logs_followed', named('followed')),
      ...gauge(history, 'cri_logs_failing', named('failing')),
    ],
  },
  {
    title: 'CPU of cridock',
    unit: 'share',
    lines: (history) => [
      ...rate(history, 'process_cpu_user_seconds_total', named('user')),
      ...rate(history, 'process_cpu_system_seconds_total', named('system')),
    ],
  },
  {
    title: 'Memory of cridock',
    unit: 'bytes',
    lines: (history) => [
      ...gauge(history, 'process_resident_memory_bytes', named('resident')),
      ...gauge(history, 'nodejs_heap_size_used_bytes', named('heap used')),
    ],
  },
  {
    title: 'Delay of the event loop when it was scraped',
    unit: 'seconds',
    lines: (history) => gauge(history, 'nodejs_eventloop_lag_seconds', named('delay')),
  },
];
