import type { PortMapping } from '../convert/sandbox/port-mappings.js';

export type { PortMapping };

/** The resolver settings that a pod was asked with (CRI's `dns_config`). */
export interface PodDns {
  servers: string[];
  searches: string[];
  options: string[];
}

/** What the network needs to know of a pod before it has a network namespace. */
export interface PodNetworkPlan {
  sandboxId: string;
  podName: string;
  podNamespace: string;
  podUid: string;
  /** The sandbox's annotations, for the bandwidth capability. */
  annotations: Record<string, string>;
  portMappings: PortMapping[];
  /** CRI's `linux.cgroup_parent`, for plugins that declare the `cgroupPath` capability; '' when there is none. */
  cgroupParent: string;
  /** For plugins that declare the `dns` capability; undefined when none were asked. */
  dns?: PodDns | undefined;
}

/** What the network needs to know of a pod. */
export interface PodNetworkRequest extends PodNetworkPlan {
  /** Path of the sandbox's network namespace, or '' when it is gone (`tearDown` only). */
  netnsPath: string;
  /**
   * Whether `lo` is up in the sandbox (`isLoopbackUp`). Docker brings it up itself, also with network `none`; where
   * it did not, `setUp` does.
   */
  loopbackUp: boolean;
  /**
   * For a pod that is attached before it has a process: the path that leads to its namespace from then on, which is recorded.
   * Where it rejects, so does `setUp`.
   */
  lastingNetnsPath?: (() => Promise<string>) | undefined;
}

/** A network namespace that nobody is in. */
export interface NewNamespace {
  /** Leads to it until it is let go, or whoever made it ends. */
  readonly path: string;
  letGo(): void;
}

/** What the network needs to know of a pod that is to be detached. */
export interface PodDetachRequest extends Omit<PodNetworkPlan, 'portMappings'> {
  /** As of `PodNetworkRequest`. */
  netnsPath: string;
  /** Asked where no record of the attachment tells. */
  portMappings: () => Promise<PortMapping[]>;
}

/** The addresses of a pod, the primary one first. */
export interface PodNetworkResult {
  ips: string[];
}

/** What is recorded of a pod's attachment. */
export interface RecordedNetwork extends PodNetworkResult {
  /** Path of the network namespace that was attached; '' when that is not recorded. */
  netnsPath: string;
}

/** Whether pods can be given a network now, and why not. */
export interface NetworkCondition {
  ready: boolean;
  /** One CamelCase word, such as `NetworkPluginNotReady`; '' when ready. */
  reason: string;
  message: string;
}

/** Pod networking: by CNI (`network/cni/`) or by Docker's own bridge (`network/docker-bridge.ts`). */
export interface PodNetwork {
  /** `HostConfig.NetworkMode` that sandboxes without host network are made with. */
  readonly sandboxNetworkMode: 'none' | 'default';
  /** Makes ready. Never fails because of a broken configuration: `condition` tells. */
  start(): Promise<void>;
  /** Ends what is under way; nothing begins any more. */
  stop(): Promise<void>;
  condition(signal?: AbortSignal): Promise<NetworkCondition>;
  /**
   * Does what can be done of `setUp` before the pod has a namespace: what an earlier attempt left attached is detached, and it
   * is recorded that this pod is about to be attached. Throws as `setUp`.
   */
  prepare(plan: PodNetworkPlan, signal?: AbortSignal): Promise<void>;
  /** A namespace with its loopback interface up, for a pod that is yet to start; undefined where pods cannot be attached so. */
  newNamespace(): Promise<NewNamespace | undefined>;
  /**
   * Attaches the pod, after `prepare` or without. On failure everything that was attached is detached again before it throws
   * (UNAVAILABLE when there is no usable configuration, INVALID_ARGUMENT that names a malformed field or annotation,
   * CANCELLED or DEADLINE_EXCEEDED after an abort or when it takes too long, else UNKNOWN).
   */
  setUp(request: PodNetworkRequest, signal?: AbortSignal): Promise<PodNetworkResult>;
  /**
   * Detaches the pod with what was recorded at set-up. Success when it is not attached. Once it has succeeded it is
   * remembered, also after a restart: repeats do nothing until `setUp` attaches the pod again.
   */
  tearDown(request: PodDetachRequest, signal?: AbortSignal): Promise<void>;
  /** The sandbox is gone: what is remembered of it need not be kept any more. */
  forget(sandboxId: string): Promise<void>;
  /**
   * The addresses recorded at set-up, without running a plugin; none while set-up is under way or was cut short, and once
   * the pod was detached.
   * Undefined when nothing is recorded: the caller may look at the pod itself.
   */
  recorded(sandboxId: string): Promise<RecordedNetwork | undefined>;
  /**
   * Looks whether a running pod is attached as it was at set-up (CNI's CHECK). Throws NOT_FOUND when it is not attached,
   * UNKNOWN with the plugin's words when something is wrong.
   */
  check(sandboxId: string, netnsPath: string, signal?: AbortSignal): Promise<void>;
  /**
   * Detaches what is recorded for sandboxes that do not exist any more. Best effort: failures are logged. A call while one
   * is under way joins it.
   *
   * @param existingSandboxIds asked once, after the records were listed, for the full ids of all sandboxes that exist,
   *   running or not: so a sandbox that is made meanwhile is safe. When it throws, nothing is detached.
   */
  gc(existingSandboxIds: () => Promise<ReadonlySet<string>>, signal?: AbortSignal): Promise<void>;
  /** Takes the node's pod CIDR from UpdateRuntimeConfig; dual-stack ones are separated by a comma. */
  setPodCidr(podCidr: string): void;
  /** Facts for the verbose Status, JSON-able. */
  describe(): Record<string, unknown>;
}
