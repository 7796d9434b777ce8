/**
 * The parts of the Docker Engine API's JSON that cridock reads and writes, in Docker's own words.
 * Optional where an Engine in the window 1.41 to 1.55 may leave a member out or send null.
 */

export type Nullable<T> = T | null | undefined;

/** `GET /version`. */
export interface EngineVersion {
  Version: string;
  ApiVersion: string;
  MinAPIVersion?: string;
  Os?: string;
  Arch?: string;
  KernelVersion?: string;
  Components?: Nullable<{ Name: string; Version: string }[]>;
}

/** One entry of `GET /info` `Runtimes`; `status` since API 1.44. */
export interface EngineRuntime {
  path?: string;
  runtimeType?: string;
  status?: Nullable<Record<string, string>>;
}

/** `GET /info`. */
export interface EngineInfo {
  ID: string;
  Driver: string;
  DriverStatus?: Nullable<[string, string][]>;
  DockerRootDir: string;
  CgroupDriver: 'systemd' | 'cgroupfs' | 'none';
  CgroupVersion?: string;
  Runtimes?: Nullable<Record<string, EngineRuntime>>;
  DefaultRuntime: string;
  SecurityOptions?: Nullable<string[]>;
  LoggingDriver: string;
  /** The kinds of drivers by name; of logs those that containers may have. */
  Plugins?: Nullable<{ Log?: Nullable<string[]> }>;
  LiveRestoreEnabled?: boolean;
  CDISpecDirs?: Nullable<string[]>;
  /** API 1.46. */
  Containerd?: Nullable<{ Address?: string }>;
  KernelVersion: string;
  OperatingSystem?: string;
  ServerVersion: string;
  /** RFC 3339. */
  SystemTime?: string;
  Name?: string;
  Warnings?: Nullable<string[]>;
}

export interface DeviceMapping {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

export interface DeviceRequest {
  Driver: string;
  DeviceIDs: string[];
}

export type BindPropagation = 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';

/** One entry of `HostConfig.Mounts`. */
export interface MountSpec {
  Type: 'bind' | 'image' | 'tmpfs' | 'volume';
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  BindOptions?: {
    Propagation?: BindPropagation;
    CreateMountpoint?: boolean;
    /** API 1.44. */
    ReadOnlyNonRecursive?: boolean;
    /** API 1.44. */
    ReadOnlyForceRecursive?: boolean;
  };
  /** API 1.48. */
  ImageOptions?: { Subpath?: string };
}

export interface PortBinding {
  HostIp?: string;
  HostPort?: string;
}

/** The resource members that create and update share. Zero or absent means "not set". */
export interface Resources {
  CpuShares?: number;
  CpuPeriod?: number;
  CpuQuota?: number;
  CpusetCpus?: string;
  CpusetMems?: string;
  Memory?: number;
  MemorySwap?: number;
  MemoryReservation?: number;
  PidsLimit?: Nullable<number>;
}

export interface HostConfig extends Resources {
  Binds?: Nullable<string[]>;
  Mounts?: Nullable<MountSpec[]>;
  NetworkMode?: string;
  IpcMode?: string;
  PidMode?: string;
  UTSMode?: string;
  UsernsMode?: string;
  CgroupnsMode?: string;
  CgroupParent?: string;
  Runtime?: string;
  OomScoreAdj?: number;
  ShmSize?: number;
  Sysctls?: Nullable<Record<string, string>>;
  Privileged?: boolean;
  CapAdd?: Nullable<string[]>;
  CapDrop?: Nullable<string[]>;
  SecurityOpt?: Nullable<string[]>;
  MaskedPaths?: Nullable<string[]>;
  ReadonlyPaths?: Nullable<string[]>;
  ReadonlyRootfs?: boolean;
  GroupAdd?: Nullable<string[]>;
  Devices?: Nullable<DeviceMapping[]>;
  DeviceRequests?: Nullable<DeviceRequest[]>;
  LogConfig?: { Type: string; Config: Record<string, string> };
  RestartPolicy?: { Name: string; MaximumRetryCount?: number };
  Init?: boolean;
  AutoRemove?: boolean;
  Dns?: Nullable<string[]>;
  DnsSearch?: Nullable<string[]>;
  DnsOptions?: Nullable<string[]>;
  ExtraHosts?: Nullable<string[]>;
  PortBindings?: Nullable<Record<string, PortBinding[]>>;
}

export interface ContainerConfig {
  Image: string;
  Hostname?: string;
  Entrypoint?: Nullable<string[]>;
  Cmd?: Nullable<string[]>;
  Env?: Nullable<string[]>;
  WorkingDir?: string;
  User?: string;
  Labels?: Nullable<Record<string, string>>;
  OpenStdin?: boolean;
  StdinOnce?: boolean;
  Tty?: boolean;
  StopSignal?: string;
  Healthcheck?: { Test: string[] };
  ExposedPorts?: Nullable<Record<string, Record<string, never>>>;
}

/** Body of `POST /containers/create`. */
export interface ContainerCreateBody extends ContainerConfig {
  HostConfig: HostConfig;
}

export type ContainerStatusWord =
  'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

/** `State` of a container inspect. Times are RFC 3339 with up to nine digits; year 1 means "never". */
export interface ContainerInspectState {
  Status: ContainerStatusWord;
  Running: boolean;
  Paused: boolean;
  OOMKilled: boolean;
  Dead: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
}

/** One entry of `Mounts` of a container inspect: covers both `Binds` and `Mounts` of the create body. */
export interface MountPoint {
  Type: string;
  Name?: string;
  Source: string;
  Destination: string;
  Mode?: string;
  RW: boolean;
  Propagation?: string;
}

export interface EndpointSettings {
  IPAddress?: string;
  GlobalIPv6Address?: string;
}

/** `GET /containers/{id}/json`. */
export interface ContainerInspect {
  Id: string;
  /** With a leading slash. */
  Name: string;
  /** RFC 3339 with nanoseconds. */
  Created: string;
  State: ContainerInspectState;
  /** Image id, or the target digest on the containerd image store. */
  Image: string;
  /** What runs first, and its arguments. */
  Path?: string;
  Args?: Nullable<string[]>;
  /** Only with a readable file driver (`json-file`). */
  LogPath?: string;
  ResolvConfPath?: string;
  /** Not with the containerd image store. */
  GraphDriver?: Nullable<{ Data?: Nullable<Record<string, string>> }>;
  Config: ContainerConfig;
  HostConfig: HostConfig;
  Mounts?: Nullable<MountPoint[]>;
  NetworkSettings?: Nullable<{
    SandboxKey?: string;
    /** Gone at API 1.52. */
    IPAddress?: string;
    GlobalIPv6Address?: string;
    Networks?: Nullable<Record<string, EndpointSettings>>;
  }>;
}

/** One entry of `GET /containers/{id}/changes`: what differs from the image. */
export interface ContainerChange {
  /** 0 changed, 1 added, 2 deleted. */
  Kind: number;
  /** Absolute, in the container. Bytes that are no UTF-8 come as U+FFFD. */
  Path: string;
}

/** One entry of `GET /containers/json`. */
export interface ContainerListEntry {
  Id: string;
  Names: string[];
  Labels?: Nullable<Record<string, string>>;
  State: ContainerStatusWord;
  /** For people, such as `Exited (137) 5 minutes ago`. */
  Status?: string;
  /** As the container was made with. */
  Image?: string;
  ImageID?: string;
  /** Unix seconds. */
  Created: number;
  HostConfig?: { NetworkMode?: string };
  Mounts?: Nullable<MountPoint[]>;
  NetworkSettings?: Nullable<{ Networks?: Nullable<Record<string, EndpointSettings>> }>;
}

/** One entry of `GET /images/json`. */
export interface ImageListEntry {
  Id: string;
  RepoTags?: Nullable<string[]>;
  RepoDigests?: Nullable<string[]>;
  /** Bytes: unpacked sum (graphdriver) or content plus unpacked (containerd store). */
  Size: number;
  /** Unix seconds. */
  Created: number;
}

/** `GET /images/{ref}/json`. */
export interface ImageInspect {
  Id: string;
  RepoTags?: Nullable<string[]>;
  RepoDigests?: Nullable<string[]>;
  /** Bytes; compressed content only on the containerd image store, so prefer the list's figure. */
  Size: number;
  Created?: string;
  Architecture?: string;
  Os?: string;
  Config?: Nullable<{
    User?: string;
    Env?: Nullable<string[]>;
    Cmd?: Nullable<string[]>;
    Entrypoint?: Nullable<string[]>;
    WorkingDir?: string;
    Labels?: Nullable<Record<string, string>>;
    StopSignal?: string;
    Volumes?: Nullable<Record<string, unknown>>;
    ExposedPorts?: Nullable<Record<string, unknown>>;
  }>;
  RootFS?: Nullable<{ Type: string; Layers?: Nullable<string[]> }>;
  /** Not with the containerd image store. */
  GraphDriver?: Nullable<{ Data?: Nullable<Record<string, string>> }>;
}

/** Columns and rows of a terminal. */
export interface TerminalSize {
  width: number;
  height: number;
}

/** Body of `POST /containers/{id}/exec`. */
export interface ExecCreateBody {
  Cmd: string[];
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  Tty: boolean;
  /** Height and width of the terminal at the start. API 1.42; older Engines ignore it. */
  ConsoleSize?: [number, number];
  /** As `AttachStreams.detachKeys`. */
  DetachKeys?: string;
}

/** `GET /exec/{id}/json`. */
export interface ExecInspect {
  Running: boolean;
  /** Null while it runs. 126 to 128 with `Pid` 0 when it could not be started. */
  ExitCode: number | null;
  /** As the host numbers it; kept after the exit. */
  Pid: number;
}

/** What `X-Registry-Auth` carries. Never logged. */
export interface RegistryAuth {
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
  /** The registry host of the reference: the containerd image store ignores credentials without it. */
  serveraddress: string;
}

/** The `X-Docker-Container-Path-Stat` header. */
export interface PathStat {
  name: string;
  size: number;
  /** Go's file mode: type bits at the top. */
  mode: number;
  /** Where a symbolic link leads, as an absolute path in the container; '' for anything else. */
  linkTarget: string;
}

/** One message of the `GET /events` stream. */
export interface EngineEvent {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes?: Nullable<Record<string, string>> };
  /** Unix nanoseconds; a JavaScript number cannot hold it exactly, so it is read as text. */
  timeNano: bigint;
}
