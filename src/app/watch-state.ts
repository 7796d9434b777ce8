import { readBuildInfo } from '../cli/version.js';
import { logProblems } from '../cri/container/log.js';
import type { CriDeps } from '../cri/deps.js';
import type { Metrics } from '../observability/metrics.js';
import type { Mirror } from '../state/mirror.js';
import type { StreamingServer } from '../streaming/server.js';
import type { MetricsSink } from '../util/metrics-sink.js';

/** Counts full readings of the Engine, and what they had to correct. */
export function countResyncs(mirror: Mirror, metrics: MetricsSink): void {
  mirror.subscribe({
    onResync: (reason, corrected) => {
      metrics.stateResync(reason);
      metrics.stateDivergence(corrected);
    },
  });
}

/** What an operator wants to see besides the rates of calls. */
export function watchState(
  metrics: Metrics,
  deps: Pick<CriDeps, 'mirror' | 'events' | 'logs' | 'pulls'>,
  streaming: StreamingServer,
): void {
  const { mirror, events, logs, pulls } = deps;
  const { version, commit } = readBuildInfo();
  metrics.tellBuild({ version, commit, node: process.version });
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
  metrics.watch('cri_image_pulls', 'Image pulls that go on.', () => pulls.size);
  metrics.watch('cri_logs_followed', 'Containers whose log is followed.', () => logs.followed);
  metrics.watch(
    'cri_objects_unreadable',
    'Sandboxes and containers that the Engine cannot read now.',
    () => mirror.unreadable.length,
  );
  metrics.watch(
    'cri_logs_failing',
    'Containers whose log cannot be written now.',
    () => logProblems(deps).length,
  );
}
