import type { Checkpoints } from '../checkpoint/checkpoints.js';
import type { FrozenContainers } from '../checkpoint/frozen-containers.js';
import type { Restores } from '../checkpoint/restores.js';
import type { Companion } from '../companion/companion.js';
import type { ContainerLogSettings } from '../convert/container/log-config.js';
import type { Engine } from '../docker/engine.js';
import type { EventFeed } from '../events/event-feed.js';
import type { ContainerAdjustment } from '../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import type { AuthConfig__Output } from '../gen/runtime/v1/AuthConfig.js';
import type { Images } from '../images/build-images.js';
import type { KnownImages } from '../images/known-images.js';
import type { HeldLimits } from '../limits/node-limits.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import type { PodNetwork } from '../network/network.js';
import type { HeldNamespaces } from '../node/held-namespace.js';
import { hostPaths, type HostPaths } from '../node/host-paths.js';
import type { CheckpointStore } from '../state/checkpoint.js';
import type { JsonStore } from '../state/json-store.js';
import type { Nri } from '../nri/nri.js';
import type { Mirror } from '../state/mirror.js';
import type { Seal } from '../state/seal.js';
import type { PodResources } from '../state/pod-resources.js';
import type { SandboxMetrics } from '../stats/pod-metrics.js';
import type { Statistics } from '../stats/statistics.js';
import type { ByteBudget } from '../util/byte-budget.js';
import { KeyedMutex } from '../util/keyed-mutex.js';
import type { Logger } from '../util/log.js';
import { SharedCalls } from '../util/shared-calls.js';
import type { StreamingUrls } from '../util/stream-request.js';
import type { KeptReplies } from './replies/build-replies.js';

/** The part of the configuration that RPCs look at. */
export interface CriSettings {
  /** cridock's own version, for the verbose Status. */
  readonly cridockVersion: string;
  /** The image that pod sandboxes run (`--pod-infra-container-image`). */
  readonly podInfraContainerImage: string;
  /** Credentials for that image, read anew for each pull; null for none. Throws when they cannot be read. */
  readonly sandboxImageAuth: () => Promise<AuthConfig__Output | null>;
  readonly imagePullProgressDeadlineMs: number;
  /** True for the full names of images that the kubelet must not collect: the sandbox image and `--pinned-image`. */
  readonly isPinned: (fullName: string) => boolean;
  /** The lowest oom_score_adj that may be asked of the Engine here (`--restrict-oom-score-adj`). */
  readonly minOomScoreAdj: number;
  readonly containerLogs: ContainerLogSettings;
  /** Whether containers may be made from checkpoints (`--restore-checkpoints`). */
  readonly restoreCheckpoints: boolean;
  /** Whether pods are attached to their network while their sandbox starts, where that can be (`--network-ahead`). */
  readonly networkAhead: boolean;
}

/** Locks, and calls that identical ones may join while they are in flight. */
export interface SharedWork {
  /** Serialises what changes a pod and its members; keyed by the sandbox's Docker name. */
  readonly podLocks: KeyedMutex;
  /** RunPodSandbox calls, by name and specification. */
  readonly sandboxRuns: SharedCalls<string>;
  /** Serialises RestorePod calls for one pod; keyed as `podLocks`, which each of their steps takes by itself. */
  readonly podRestores: KeyedMutex;
  /** CreateContainer calls, by name and specification. */
  readonly containerCreates: SharedCalls<string>;
  /** Pulls, by reference and credentials. */
  readonly pulls: SharedCalls<string>;
  /** RemoveImage calls, by image id. */
  readonly imageRemovals: SharedCalls<void>;
  /** Paths that requests name. */
  readonly hostPaths: HostPaths;
}

/** None yet. */
export function noSharedWork(): SharedWork {
  return {
    podLocks: new KeyedMutex(),
    sandboxRuns: new SharedCalls(),
    podRestores: new KeyedMutex(),
    containerCreates: new SharedCalls(),
    pulls: new SharedCalls(),
    imageRemovals: new SharedCalls(),
    hostPaths: hostPaths(),
  };
}

/** All that RPCs work with, built once in app.ts. The signature of each says what of it it may touch. */
export interface CriDeps extends SharedWork, Images, KeptReplies {
  readonly engine: Engine;
  readonly companion: Companion;
  /** Checkpoints of containers, which `checkpoints` are not: those are cri-dockerd's records of sandboxes. */
  readonly savedStates: Checkpoints;
  readonly restores: Restores;
  readonly frozen: FrozenContainers;
  /** What ExecSync calls keep of their commands' output. */
  readonly execOutput: ByteBudget;
  /** Plugins of the Node Resource Interface. */
  readonly nri: Nri;
  readonly mirror: Mirror;
  readonly network: PodNetwork;
  readonly logs: ContainerLogs;
  readonly images: KnownImages;
  readonly statistics: Statistics;
  readonly sandboxMetrics: SandboxMetrics;
  readonly events: EventFeed;
  readonly streaming: StreamingUrls;
  readonly settings: CriSettings;
  readonly log: Logger;
  readonly checkpoints: CheckpointStore;
  /** Put onto every container that is made. */
  readonly seal: Seal;
  /** By container id. */
  readonly heldLimits: JsonStore<HeldLimits>;
  /** What plugins want containers to have at their start, by container id. */
  readonly nriAdjustments: JsonStore<ContainerAdjustment>;
  /** What UpdatePodSandboxResources told last, by sandbox id. */
  readonly podResources: JsonStore<PodResources>;
  /** Network namespaces of sandboxes that are being taken off their network, by sandbox id. */
  readonly podNamespaces: HeldNamespaces;
}
