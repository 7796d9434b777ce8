import type { StreamHandlers } from '../util/handler.js';
import { containerEvents } from './container/events.js';
import { streamContainers } from './container/list.js';
import { streamContainerStats } from './container/stats.js';
import type { CriDeps } from './deps.js';
import { streamImages } from './image/list.js';
import { streamPodSandboxes } from './sandbox/list.js';
import { streamPodSandboxMetrics } from './sandbox/metrics.js';
import { streamPodSandboxStats } from './sandbox/stats.js';

/** Which function serves which RPC that answers with a stream, of both services. */
export function streamService(deps: CriDeps): StreamHandlers {
  return {
    GetContainerEvents: (_request, ctx) => containerEvents(deps, ctx),
    StreamPodSandboxes: (request, ctx) => streamPodSandboxes(deps, request, ctx),
    StreamContainers: (request, ctx) => streamContainers(deps, request, ctx),
    StreamContainerStats: (request, ctx) => streamContainerStats(deps, request, ctx),
    StreamPodSandboxStats: (request, ctx) => streamPodSandboxStats(deps, request, ctx),
    StreamPodSandboxMetrics: (_request, ctx) => streamPodSandboxMetrics(deps, ctx),
    StreamImages: (request, ctx) => streamImages(deps, request, ctx),
  };
}
