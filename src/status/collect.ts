import { readMetrics } from '../client/metrics-client.js';
import type { CriCaller } from '../client/cri-client.js';
import type { OfService } from '../unit/of-service.js';
import { messageOf } from '../util/cri-error.js';
import { socketOf } from '../util/endpoint.js';
import { isRecord, numberIn, recordIn, recordsIn, textIn, textsIn } from './json.js';
import { activityIn, type Activity } from './activity.js';
import { weaknesses } from './weaknesses.js';

/** One of the conditions that the service tells the kubelet. */
export interface Condition {
  readonly type: string;
  readonly isTrue: boolean;
  /** '' for a condition that holds. */
  readonly reason: string;
  readonly message: string;
}

/** How the service of a node fares, at one moment. */
export interface NodeStatus {
  /** Whether pods can be run. */
  readonly ready: boolean;
  readonly endpoint: string;
  /** Why nobody answers there; undefined when the service does. */
  readonly unreachable: string | undefined;
  readonly service: {
    /** `cridock 0.1.0`; '' when not known. */
    readonly version: string;
    readonly unit: string;
    readonly state: string;
    readonly enabled: string;
    readonly pid: number | undefined;
    readonly restarts: number | undefined;
    /** ISO 8601; '' when not known. */
    readonly since: string;
  };
  readonly conditions: readonly Condition[];
  readonly engine: Readonly<Record<string, unknown>> | undefined;
  readonly network: Readonly<Record<string, unknown>> | undefined;
  /** By state; undefined when the service cannot say, as while the Engine is away. */
  readonly pods: Readonly<Record<string, number>> | undefined;
  readonly containers: Readonly<Record<string, number>> | undefined;
  readonly images: number | undefined;
  readonly sessions: number | undefined;
  /** By its metrics; undefined when it serves none, or not to us. */
  readonly activity: Activity | undefined;
  /** NRI plugins that are told of events. */
  readonly plugins: readonly string[];
  /** What is wrong with single objects, such as a container's log; each in a sentence. */
  readonly problems: readonly string[];
  /** What is weaker on this node than a pod may ask, and why. */
  readonly weaker: readonly string[];
}

/** What the kubelet takes for the node's readiness. */
const DECISIVE = ['RuntimeReady', 'NetworkReady'];

/** Asks the service as the kubelet does. Never rejects: a service that does not answer has that as its status. */
export async function collectStatus(
  { unit, config }: OfService,
  cri: CriCaller,
  metrics: typeof readMetrics = readMetrics,
): Promise<NodeStatus> {
  const endpoint = `unix://${socketOf(config.endpoint)}`;
  const known = {
    endpoint,
    service: {
      version: '',
      unit: unit?.name ?? '',
      state: unit?.activeState ?? '',
      enabled: unit?.fileState ?? '',
      pid: unit === undefined || unit.mainPid === 0 ? undefined : unit.mainPid,
      restarts: unit?.restarts,
      since: '',
    },
  };
  try {
    const [version, status, pods, containers, images, figures] = await Promise.all([
      cri.call('Version', { version: 'v1' }),
      cri.call('Status', { verbose: true }),
      cri.call('ListPodSandbox', {}).catch(() => undefined),
      cri.call('ListContainers', {}).catch(() => undefined),
      cri.call('ListImages', {}).catch(() => undefined),
      config.metricsAddress && metrics(config.metricsAddress).catch(asError),
    ]);
    const conditions = recordsIn(recordIn(status, 'status') ?? {}, 'conditions').map(conditionOf);
    const info = verboseInfo(status);
    const engine = recordIn(info, 'engine');
    return {
      ...known,
      ready: DECISIVE.every((wanted) => conditions.some(({ type, isTrue }) => type === wanted && isTrue)),
      unreachable: undefined,
      service: {
        ...known.service,
        version: serverVersion(info, version),
        since: textIn(info, 'startedAt'),
      },
      conditions,
      engine,
      network: recordIn(info, 'network'),
      pods: pods && countBy(recordsIn(pods, 'items'), 'state', 'SANDBOX_'),
      containers: containers && countBy(recordsIn(containers, 'containers'), 'state', 'CONTAINER_'),
      images: images && recordsIn(images, 'images').length,
      sessions: numberIn(info, 'sessions'),
      activity: typeof figures === 'string' ? activityIn(figures) : undefined,
      plugins: recordsIn(recordIn(info, 'nri') ?? {}, 'plugins').map((plugin) => textIn(plugin, 'name')),
      problems: [
        ...textsIn(info, 'logProblems'),
        ...networkProblems(recordIn(info, 'network')),
        ...pluginProblems(recordIn(info, 'nri')),
        ...(figures instanceof Error ? [`its metrics cannot be read: ${messageOf(figures)}`] : []),
      ],
      weaker: weaknesses(info),
    };
  } catch (error) {
    return {
      ...known,
      ready: false,
      unreachable: messageOf(error),
      conditions: [],
      engine: undefined,
      network: undefined,
      pods: undefined,
      containers: undefined,
      images: undefined,
      sessions: undefined,
      activity: undefined,
      plugins: [],
      problems: [],
      weaker: [],
    };
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}

/** Ours says so itself; of another server, such as cri-dockerd, this is what it tells of the Engine. */
function serverVersion(
  info: Readonly<Record<string, unknown>>,
  version: Readonly<Record<string, unknown>>,
): string {
  const own = textIn(info, 'cridockVersion');
  return own === ''
    ? `${textIn(version, 'runtime_name')} ${textIn(version, 'runtime_version')}, not cridock`
    : `cridock ${own}`;
}

function conditionOf(condition: Readonly<Record<string, unknown>>): Condition {
  return {
    type: textIn(condition, 'type'),
    isTrue: condition['status'] === true,
    reason: textIn(condition, 'reason'),
    message: textIn(condition, 'message'),
  };
}

function verboseInfo(status: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  try {
    const info: unknown = JSON.parse(textIn(recordIn(status, 'info') ?? {}, 'config') || '{}');
    return isRecord(info) ? info : {};
  } catch {
    return {};
  }
}

function networkProblems(network: Readonly<Record<string, unknown>> | undefined): string[] {
  return recordsIn(network ?? {}, 'problems').map(
    (one) => `${textIn(one, 'path')}: ${textIn(one, 'reason')}`,
  );
}

function pluginProblems(nri: Readonly<Record<string, unknown>> | undefined): string[] {
  const problem = textIn(nri ?? {}, 'problem');
  return problem === '' ? [] : [`NRI plugins cannot connect: ${problem}`];
}

/** As `{ ready: 3, notready: 1 }`. */
function countBy(
  items: readonly Readonly<Record<string, unknown>>[],
  member: string,
  prefix: string,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) {
    const name = textIn(item, member).replace(prefix, '').toLowerCase();
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
