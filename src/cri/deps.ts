import type { ContainerLogSettings } from '../convert/container/log-config.js';
import type { Engine } from '../docker/engine.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import type { AuthConfig__Output } from '../gen/runtime/v1/AuthConfig.js';
import type { PodNetwork } from '../network/network.js';
import type { CheckpointStore } from '../state/checkpoint.js';
import type { KnownImages } from '../images/known-images.js';
import type { Mirror } from '../state/mirror.js';
import type { KeyedMutex } from '../util/keyed-mutex.js';
import type { Logger } from '../util/log.js';
import type { SharedCalls } from '../util/shared-calls.js';
import type { ImageSizes } from '../images/sizes.js';
import type { ImageVolumes } from '../images/volumes.js';
import type { HeldLimits } from '../limits/node-limits.js';
import type { PodResources } from '../state/pod-resources.js';
import type { ImageAccounts } from '../images/accounts.js';
import type { JsonStore } from '../state/json-store.js';
import type { ImageDiskUsage } from '../images/disk-usage.js';
import type { ImageInodes } from '../images/inodes.js';
import type { EventFeed } from '../events/event-feed.js';
import type { SandboxMetrics } from '../stats/pod-metrics.js';
import type { Statistics } from '../stats/statistics.js';
import type { StatusReplies } from './replies/status-replies.js';
import type { ContainerRecord, SandboxRecord } from '../state/records.js';
import type { EntryList } from './replies/entry-list.js';
import type { StatsEntries } from '../stats/stats-entries.js';
import type { StreamingUrls } from '../util/stream-request.js';

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
  /** The lowest oom_score_adj that may be asked of the Engine here (design decision 12). */
  readonly minOomScoreAdj: number;
  readonly containerLogs: ContainerLogSettings;
}

/** Everything an RPC works with, built once in app.ts. */
export interface CriDeps {
  readonly engine: Engine;
  readonly mirror: Mirror;
  readonly network: PodNetwork;
  readonly checkpoints: CheckpointStore;
  readonly logs: ContainerLogs;
  readonly settings: CriSettings;
  readonly streaming: StreamingUrls;
  readonly log: Logger;
  /** Serialises what changes a pod and its members; keyed by the sandbox's Docker name. */
  readonly podLocks: KeyedMutex;
  /** RunPodSandbox calls in flight, by name and specification. */
  readonly sandboxRuns: SharedCalls<string>;
  /** CreateContainer calls in flight, by name and specification. */
  readonly containerCreates: SharedCalls<string>;
  /** Pulls in flight, by reference and credentials. */
  readonly pulls: SharedCalls<string>;
  /** RemoveImage calls in flight, by image id. */
  readonly imageRemovals: SharedCalls<void>;
  readonly sandboxListing: SandboxListing;
  readonly containerListing: ContainerListing;
  readonly statusReplies: StatusReplies;
  readonly images: KnownImages;
  readonly imageDiskUsage: ImageDiskUsage;
  readonly imageInodes: ImageInodes;
  readonly statistics: Statistics;
  readonly containerStatsEntries: ContainerStatsEntries;
  readonly sandboxStatsEntries: SandboxStatsEntries;
  readonly sandboxMetrics: SandboxMetrics;
  readonly events: EventFeed;
  readonly imageAccounts: ImageAccounts;
  readonly imageSizes: ImageSizes;
  readonly imageVolumes: ImageVolumes;
  /** By container id. */
  readonly heldLimits: JsonStore<HeldLimits>;
  /** What UpdatePodSandboxResources told last, by sandbox id. */
  readonly podResources: JsonStore<PodResources>;
}

/** The kept replies of ListContainers. */
export type ContainerListing = EntryList<ContainerRecord>;

/** The kept replies of ListPodSandbox. */
export type SandboxListing = EntryList<SandboxRecord>;

/** The encoded entries of ListContainerStats. */
export type ContainerStatsEntries = StatsEntries<ContainerRecord>;

/** The encoded entries of ListPodSandboxStats. */
export type SandboxStatsEntries = StatsEntries<SandboxRecord>;
