/** A host port mapping of a pod, as CRI sends it. */
export interface PortMapping {
  protocol: 'tcp' | 'udp' | 'sctp';
  containerPort: number;
  /** 0 means none, never "any free one" (CRI 1.36 spells it out). */
  hostPort: number;
  hostIp: string;
}

/** What the network needs to know of a pod. */
export interface PodNetworkRequest {
  sandboxId: string;
  podName: string;
  podNamespace: string;
  podUid: string;
  /** The sandbox's annotations, for the bandwidth capability. */
  annotations: Record<string, string>;
  portMappings: PortMapping[];
  /** Path of the sandbox's network namespace, or '' when it is gone (DEL only). */
  netnsPath: string;
}

/** The addresses of a pod, the primary one first. */
export interface PodNetworkResult {
  ips: string[];
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
  /** Begins to watch the configuration. Never fails because of a broken configuration: `condition` tells. */
  start(): Promise<void>;
  stop(): Promise<void>;
  condition(signal?: AbortSignal): Promise<NetworkCondition>;
  /**
   * Attaches the pod. On failure everything that was attached is detached again before it throws
   * (UNAVAILABLE when no configuration is loaded, CANCELLED/DEADLINE_EXCEEDED after an abort, else UNKNOWN).
   */
  setUp(request: PodNetworkRequest, signal?: AbortSignal): Promise<PodNetworkResult>;
  /** Detaches the pod with what was recorded at set-up. Success when it is not attached. */
  tearDown(request: PodNetworkRequest, signal?: AbortSignal): Promise<void>;
  /**
   * The addresses recorded at set-up, without running a plugin, or undefined when the pod is not attached
   * (or when this network keeps no record and the caller should look at the container itself).
   */
  recorded(sandboxId: string): Promise<PodNetworkResult | undefined>;
  /** Takes the node's pod CIDR from UpdateRuntimeConfig. */
  setPodCidr(podCidr: string): void;
  /** Facts for the verbose Status, JSON-able. */
  describe(): Record<string, unknown>;
}
