import { isPlainRunc } from '../../companion/examine.js';
import { handlerNames, usesContainerdStore } from '../../convert/engine-info.js';
import type { EngineInfo } from '../../docker/types.js';
import type { RuntimeCondition } from '../../gen/runtime/v1/RuntimeCondition.js';
import type { StatusRequest__Output } from '../../gen/runtime/v1/StatusRequest.js';
import type { StatusResponse } from '../../gen/runtime/v1/StatusResponse.js';
import type { CallContext } from '../../util/call-context.js';
import { logProblems } from '../container/log.js';
import type { CriDeps } from '../deps.js';
import { describePlugins, pluginsReady } from './plugins.js';

/** What it takes to tell the node's conditions. */
export type StatusDeps = Pick<
  CriDeps,
  | 'companion'
  | 'engine'
  | 'logs'
  | 'mirror'
  | 'network'
  | 'nri'
  | 'runtimeHandlers'
  | 'settings'
  | 'streaming'
>;

/** A condition names so many objects; the others it counts. */
const MOST_NAMED = 10;

/**
 * The node's conditions, runtime handlers and features (CRI: Status). Never fails because the Engine is away: then
 * RuntimeReady is false and says why.
 */
export async function runtimeStatus(
  deps: StatusDeps,
  request: StatusRequest__Output,
  ctx: CallContext,
): Promise<StatusResponse> {
  const facts = deps.mirror.facts;
  const companion = facts && (await deps.companion.knownAbilities(facts.info));
  return {
    status: {
      conditions: [
        runtimeReady(deps),
        await networkReady(deps, ctx.signal),
        logsReady(deps),
        objectsReadable(deps),
        ...pluginsReady(deps),
      ],
    },
    runtime_handlers:
      facts && companion
        ? deps.runtimeHandlers.of({
            info: facts.info,
            tellsFeatures: deps.engine.supports('1.44'),
            companion,
          })
        : [],
    features: {
      supplemental_groups_policy: true,
      user_namespaces_host_network: false,
      mount_options: facts !== undefined && companion?.runtime !== undefined && hasOnlyRunc(facts.info),
    },
    info: request.verbose ? { config: JSON.stringify(verboseInfo(deps)) } : {},
  };
}

/** Why the kubelet takes the node for not ready, a line for each of its two conditions that fails; undefined when it does not. */
export async function whyNotReady(deps: Pick<CriDeps, 'mirror' | 'network'>): Promise<string | undefined> {
  const conditions = [runtimeReady(deps), await networkReady(deps)];
  const failing = conditions.filter(({ status }) => status !== true);
  if (failing.length === 0) return undefined;
  return failing.map(({ type, reason, message }) => `${type}: ${reason}: ${message}`).join('\n');
}

function runtimeReady(deps: Pick<CriDeps, 'mirror'>): RuntimeCondition {
  const { problem } = deps.mirror;
  if (problem === undefined) return { type: 'RuntimeReady', status: true, reason: '', message: '' };
  return { type: 'RuntimeReady', status: false, reason: 'DockerEngineNotReady', message: problem };
}

async function networkReady(deps: Pick<CriDeps, 'network'>, signal?: AbortSignal): Promise<RuntimeCondition> {
  const { ready, reason, message } = await deps.network.condition(signal);
  return { type: 'NetworkReady', status: ready, reason, message };
}

/** Beside the two conditions that the kubelet acts on: whether all container logs can be had. */
function logsReady(deps: Pick<CriDeps, 'logs' | 'mirror'>): RuntimeCondition {
  const problems = logProblems(deps);
  const [first] = problems;
  if (first === undefined) return { type: 'ContainerLogsReady', status: true, reason: '', message: '' };
  const message = `${problems.length} container logs are missing or incomplete; ${first.id}: ${first.problem.message}`;
  return { type: 'ContainerLogsReady', status: false, reason: first.problem.reason, message };
}

/** Likewise, whether all sandboxes and containers can be read. What cannot is told as what it last was. */
function objectsReadable({ mirror }: Pick<CriDeps, 'mirror'>): RuntimeCondition {
  const unreadable = mirror.unreadable;
  const [first] = unreadable;
  if (first?.problem === undefined) return { type: 'ObjectsReadable', status: true, reason: '', message: '' };
  const named = unreadable.slice(0, MOST_NAMED).map(({ kind, id, name, problem }) => {
    const since = problem === undefined ? '' : new Date(problem.sinceMs).toISOString();
    return `${kind} ${id} (${name}), since ${since}: ${problem?.message}`;
  });
  const more = unreadable.length > MOST_NAMED ? [`and ${unreadable.length - MOST_NAMED} more`] : [];
  const message = [...named, ...more].join('; ');
  return { type: 'ObjectsReadable', status: false, reason: first.problem.reason, message };
}

/** A feature of the whole runtime is one of every handler. */
function hasOnlyRunc(info: EngineInfo): boolean {
  return handlerNames(info).every((name) => isPlainRunc(info, name));
}

/** What `crictl info` shows besides the conditions. */
function verboseInfo(deps: StatusDeps): Record<string, unknown> {
  const facts = deps.mirror.facts;
  return {
    cridockVersion: deps.settings.cridockVersion,
    startedAt: new Date(Date.now() - process.uptime() * 1000).toISOString(),
    sessions: deps.streaming.sessionCount,
    minOomScoreAdj: deps.settings.minOomScoreAdj,
    logProblems: logProblems(deps).map(({ id, problem }) => `${id}: ${problem.message}`),
    containerLogs: deps.settings.containerLogs,
    sandboxImage: deps.settings.podInfraContainerImage,
    network: deps.network.describe(),
    nri: describePlugins(deps),
    engine: facts && {
      version: facts.negotiated.version.Version,
      apiVersion: facts.negotiated.apiVersion,
      imageStore: usesContainerdStore(facts.info) ? 'containerd' : 'graphdriver',
      storageDriver: facts.info.Driver,
      rootDir: facts.info.DockerRootDir,
      cgroupDriver: facts.info.CgroupDriver,
      cgroupVersion: facts.info.CgroupVersion,
      defaultRuntime: facts.info.DefaultRuntime,
      loggingDriver: facts.info.LoggingDriver,
      liveRestore: facts.info.LiveRestoreEnabled,
      securityOptions: facts.info.SecurityOptions ?? [],
      warnings: facts.info.Warnings ?? [],
    },
  };
}
