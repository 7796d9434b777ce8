import type { OutputStream } from './demux.js';
import type { Duplex, Readable } from 'node:stream';
import type {
  ContainerChange,
  ContainerCreateBody,
  ContainerInspect,
  ContainerListEntry,
  EngineEvent,
  EngineInfo,
  EngineVersion,
  ExecCreateBody,
  ExecInspect,
  ImageInspect,
  ImageListEntry,
  PathStat,
  RegistryAuth,
  Resources,
  TerminalSize,
} from './types.js';

/** What was agreed on with the Engine at the last handshake. */
export interface Negotiated {
  /** The API version that requests are sent with, such as `1.47`. */
  apiVersion: string;
  version: EngineVersion;
}

/** Every call may be given up by the caller. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface PullOptions extends CallOptions {
  auth?: RegistryAuth | undefined;
  /**
   * The pull fails when the Engine says nothing new for this long, the time before its first word included; ten times as long, and
   * an hour at least, while layers are unpacked.
   */
  progressDeadlineMs: number;
  /** Called at a sane rate with a short text such as `3 of 7 layers, 120 of 310 MB`. */
  onProgress?: ((text: string) => void) | undefined;
}

export interface EventStreamOptions extends CallOptions {
  /** Called once, when the Engine has accepted the subscription. */
  onOpen: () => void;
  /** Called for each message, in order; must return at once. */
  onEvent: (event: EngineEvent) => void;
  filters: Record<string, string[]>;
}

/** One message of a container's log: a line, or a part of a long one. */
export interface LogMessage {
  readonly stream: OutputStream;
  /** RFC 3339 with nine digits and `Z` (30 bytes), a blank, and what the container wrote, with its newline if it has one. */
  readonly bytes: Buffer;
}

export interface LogReadOptions extends CallOptions {
  /** Whether the container has a terminal: its log then comes as one stream, told as stdout. */
  tty: boolean;
  /**
   * Whether to stay, until the container ends, for what it will write. A lost connection may pass for that end, and the last
   * message of a terminal is left out when it has no newline: to be sure of all, read once more without `follow`.
   */
  follow: boolean;
  /** Unix seconds with nine digits after the point; messages from before it at the beginning are left out. */
  since?: string | undefined;
  /** Only so many of the last messages. */
  tail?: number;
  /** Called once, when the Engine has begun to answer. */
  onOpen?: () => void;
  /**
   * Called with the messages as they come, in order; nothing more is read while the promise it returns is open. Their bytes
   * are valid during the call only.
   */
  onMessages: (messages: readonly LogMessage[]) => Promise<void> | undefined;
}

/** Which streams of a container's first process to join. */
export interface AttachStreams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** The keys that end the connection and are not passed on, as `ctrl-p,ctrl-q`, which is Docker's default with a tty. */
  detachKeys: string;
}

/**
 * The Docker Engine, in Docker's words: only what cridock needs. Names in paths are always full ids or exact
 * references; short ids are resolved in `state/` first.
 *
 * Every method throws a CriError translated by `docker/errors.ts`: NOT_FOUND for an unknown object,
 * ALREADY_EXISTS for a taken name, INVALID_ARGUMENT for a refused body, FAILED_PRECONDITION for a conflict with the
 * object's state, UNAVAILABLE when the Engine cannot be reached, RESOURCE_EXHAUSTED for an answer that is too long to be read as a
 * whole, CANCELLED or DEADLINE_EXCEEDED after an abort.
 */
export interface Engine {
  /** Whether it is reached without a network: its clock is this machine's then. */
  readonly isLocal: boolean;
  /** The handshake's result, or undefined before the first one and after the connection was lost. */
  readonly negotiated: Negotiated | undefined;
  /** True when the negotiated API version is at least this one; false before the handshake. */
  supports(apiVersion: string): boolean;
  /** Performs the handshake anew (`GET /version`, unversioned). Throws FAILED_PRECONDITION outside the window. */
  negotiate(options?: CallOptions): Promise<Negotiated>;

  info(options?: CallOptions): Promise<EngineInfo>;

  /** All containers, running or not, that carry each of these labels (`key` or `key=value`). */
  listContainers(labels: string[], options?: CallOptions): Promise<ContainerListEntry[]>;
  inspectContainer(id: string, options?: CallOptions): Promise<ContainerInspect>;
  /** Creates, never starts; answers the full id. Not cancellable: the Engine may finish what was asked. */
  createContainer(name: string, body: ContainerCreateBody): Promise<string>;
  /** Success also when it already runs (304): callers check the state first. */
  startContainer(id: string): Promise<void>;
  /** Success also when it does not run (304). Waits for the exit: `timeoutSeconds` of grace, then SIGKILL. */
  stopContainer(id: string, timeoutSeconds: number, options?: CallOptions): Promise<void>;
  /** Removes by force, with anonymous volumes; waits while another removal is in progress. */
  removeContainer(id: string, options?: CallOptions): Promise<void>;
  updateContainer(id: string, resources: Resources, options?: CallOptions): Promise<void>;
  /**
   * How its file system differs from its image's, mounts left out: every file and folder that was changed, added or deleted.
   * RESOURCE_EXHAUSTED where these are too many to be told, some 900000.
   */
  containerChanges(id: string, options?: CallOptions): Promise<ContainerChange[]>;

  /** Prepares a command; nothing runs yet. Answers its id. FAILED_PRECONDITION when the container does not run. */
  createExec(containerId: string, body: ExecCreateBody, options?: CallOptions): Promise<string>;
  /**
   * Starts a prepared command and gives the connection with its streams: written bytes are its stdin, whose end is the
   * end of the writing side; read bytes are its output, raw with a tty, else multiplexed (`docker/demux.ts`). Reading
   * ends with the process, or 2 s later where its children hold the output open. A command that cannot be started
   * is no error here: the reason is its output, and `inspectExec` tells `Pid` 0. Closing the connection ends nothing.
   */
  startExec(execId: string, tty: boolean, options?: CallOptions): Promise<Duplex>;
  inspectExec(execId: string, options?: CallOptions): Promise<ExecInspect>;
  /** Only while it runs: before the start the Engine does not answer. */
  resizeExec(execId: string, size: TerminalSize, options?: CallOptions): Promise<void>;
  /** Joins the streams of a container's first process; the connection is as that of `startExec`. */
  attachContainer(id: string, streams: AttachStreams, options?: CallOptions): Promise<Duplex>;
  resizeContainer(id: string, size: TerminalSize, options?: CallOptions): Promise<void>;
  /** What is at this absolute path in the container's file system, links in its folders followed; undefined for nothing. */
  statPath(id: string, path: string, options?: CallOptions): Promise<PathStat | undefined>;
  /** What is at this path and below it, as a tar archive: `onChunk` gets its bytes, one piece after the other. */
  readArchive(
    id: string,
    path: string,
    onChunk: (chunk: Buffer) => Promise<void>,
    options?: CallOptions,
  ): Promise<void>;
  /**
   * Unpacks a tar archive over a container's file system, which the Engine confines it to. FAILED_PRECONDITION or INTERNAL, as the
   * Engine has it, for one that is none.
   */
  writeArchive(id: string, archive: Readable, options?: CallOptions): Promise<void>;
  /** The content of the regular file at this path, for small ones: it is held in memory. */
  readFile(id: string, path: string, options?: CallOptions): Promise<Buffer>;

  /** Images that have a name or are dangling; no intermediate ones. */
  listImages(options?: CallOptions): Promise<ImageListEntry[]>;
  /** By id, `repo:tag` or `repo@digest`. */
  inspectImage(reference: string, options?: CallOptions): Promise<ImageInspect>;
  /** Removes by id under all its names, also when a stopped container still uses it. */
  removeImage(id: string, options?: CallOptions): Promise<void>;
  /** `reference` holds a tag or a digest: without one the Engine would pull every tag. */
  pullImage(reference: string, options: PullOptions): Promise<void>;
  /** Bytes of all image layers, shared ones counted once. Slow on large hosts. */
  imageDiskUsageBytes(options?: CallOptions): Promise<number>;

  /**
   * Follows the event stream until it ends (resolves), breaks (throws) or the signal aborts (throws).
   * The Engine drops messages for readers that stall 100 ms: `onEvent` only queues.
   */
  followEvents(options: EventStreamOptions): Promise<void>;

  /**
   * Reads the log that the Engine keeps of a container: resolves at its end, or with `follow` when the container has
   * ended. Before API 1.42 the Engine leaves out every message from before `since`, not only those at the beginning.
   * Throws UNIMPLEMENTED when the container's log driver cannot be read, and what `onMessages` throws.
   */
  readLogs(id: string, options: LogReadOptions): Promise<void>;

  /** Closes idle connections. */
  close(): void;
}
