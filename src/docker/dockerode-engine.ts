import type { Duplex, Readable } from 'node:stream';
import { hasCode, Code, CriError } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { measured } from '../util/measured.js';
import { parseEndpoint } from './endpoint.js';
import type {
  AttachStreams,
  CallOptions,
  Engine,
  EventStreamOptions,
  LogReadOptions,
  Negotiated,
  PullOptions,
} from './engine.js';
import { firstTarFile, readPathStat } from './archive.js';
import { isRemovalInProgress } from './errors.js';
import { parseEvent, sinceNow } from './events.js';
import { LogReader } from './log-reader.js';
import { compareApiVersions } from './api-version.js';
import { PullProgress } from './pull-progress.js';
import { pullImage } from './pull.js';
import { Session } from './session.js';
import type { SessionRequest } from './session.js';
import { Transport } from './transport.js';
import type {
  ContainerChange,
  ContainerCreateBody,
  ContainerInspect,
  ContainerListEntry,
  EngineInfo,
  ExecCreateBody,
  ExecInspect,
  ImageInspect,
  ImageListEntry,
  Nullable,
  PathStat,
  Resources,
  TerminalSize,
} from './types.js';

/** Of some 900000 files: it is parsed in one go, for which all else waits. */
const MAX_CHANGES_BYTES = 64 * 1024 * 1024;

export interface DockerodeEngineOptions {
  /** `unix:///path`, `tcp://host:port`, or empty for what the environment says (`DOCKER_HOST` and its like). */
  endpoint: string;
  env: Readonly<Record<string, string | undefined>>;
  log: Logger;
  /** The longest that a read may take; a change may take four times as long. Unlimited when left out. */
  requestTimeoutMs?: number;
  /** Called after each call, with the code it failed with; the event stream is no call. */
  onCall?: (operation: string, durationMs: number, code: Code | undefined) => void;
  /** Called after each pull with the bytes that came from the registry, also when it failed. */
  onFetched?: (bytes: number) => void;
}

/** The real Engine, over its HTTP API. */
export class DockerodeEngine implements Engine {
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #onCall: DockerodeEngineOptions['onCall'];
  readonly #onFetched: DockerodeEngineOptions['onFetched'];

  /** Connects to nothing yet. Throws INVALID_ARGUMENT for a bad endpoint. */
  constructor({
    endpoint,
    env,
    log,
    requestTimeoutMs = Infinity,
    onCall,
    onFetched,
  }: DockerodeEngineOptions) {
    this.#transport = new Transport(parseEndpoint(endpoint, env));
    this.#session = new Session(this.#transport, log, requestTimeoutMs);
    this.#onCall = onCall;
    this.#onFetched = onFetched;
  }

  get isLocal(): boolean {
    return this.#transport.endpoint.kind === 'unix';
  }

  get negotiated(): Negotiated | undefined {
    return this.#session.negotiated;
  }

  supports(apiVersion: string): boolean {
    const { negotiated } = this;
    return negotiated !== undefined && compareApiVersions(negotiated.apiVersion, apiVersion) >= 0;
  }

  async negotiate(options: CallOptions = {}): Promise<Negotiated> {
    return this.#measured('version', () => this.#session.negotiate(options));
  }

  async info({ signal }: CallOptions = {}): Promise<EngineInfo> {
    return (await this.#call('info', { method: 'GET', path: '/info', signal })) as EngineInfo;
  }

  async listContainers(labels: string[], { signal }: CallOptions = {}): Promise<ContainerListEntry[]> {
    const query = { all: '1', filters: JSON.stringify({ label: labels }) };
    const request = { method: 'GET', path: '/containers/json', query, signal } as const;
    return (await this.#call('list_containers', request)) as ContainerListEntry[];
  }

  async inspectContainer(id: string, { signal }: CallOptions = {}): Promise<ContainerInspect> {
    const request = { method: 'GET', path: `${containerPath(id)}/json`, blocks: true, signal } as const;
    return (await this.#call('inspect_container', request)) as ContainerInspect;
  }

  async createContainer(name: string, body: ContainerCreateBody): Promise<string> {
    const query = { name };
    const request = { method: 'POST', path: '/containers/create', blocks: true, query, body } as const;
    const { Id: id } = (await this.#call('create_container', request)) as { Id: string };
    return id;
  }

  async startContainer(id: string): Promise<void> {
    await this.#call('start_container', {
      method: 'POST',
      path: `${containerPath(id)}/start`,
      blocks: true,
      idempotent: true,
    });
  }

  async stopContainer(id: string, timeoutSeconds: number, { signal }: CallOptions = {}): Promise<void> {
    const request = {
      method: 'POST',
      path: `${containerPath(id)}/stop`,
      blocks: true,
      query: { t: String(timeoutSeconds) },
    } as const;
    const graceMs = timeoutSeconds * 1000;
    await this.#call('stop_container', { ...request, signal, graceMs, idempotent: true, long: true });
  }

  async removeContainer(id: string, { signal }: CallOptions = {}): Promise<void> {
    const request = {
      method: 'DELETE',
      path: containerPath(id),
      blocks: true,
      query: { force: '1', v: '1' },
      signal,
      long: true,
    } as const;
    await this.#measured('remove_container', async () => {
      try {
        await this.#session.json(request);
      } catch (error) {
        if (!isRemovalInProgress(error)) throw error;
        await this.#waitUntilRemoved(id, signal);
      }
    });
  }

  async updateContainer(id: string, resources: Resources, { signal }: CallOptions = {}): Promise<void> {
    const request = {
      method: 'POST',
      path: `${containerPath(id)}/update`,
      blocks: true,
      body: resources,
      signal,
    } as const;
    await this.#call('update_container', { ...request, idempotent: true });
  }

  async containerChanges(id: string, { signal }: CallOptions = {}): Promise<ContainerChange[]> {
    const request = {
      method: 'GET',
      path: `${containerPath(id)}/changes`,
      blocks: true,
      signal,
      long: true,
      maxBytes: MAX_CHANGES_BYTES,
    } as const;
    return ((await this.#call('container_changes', request)) as Nullable<ContainerChange[]>) ?? [];
  }

  async createExec(containerId: string, body: ExecCreateBody, { signal }: CallOptions = {}): Promise<string> {
    const request = {
      method: 'POST',
      path: `${containerPath(containerId)}/exec`,
      blocks: true,
      body,
      signal,
    } as const;
    const { Id: id } = (await this.#call('create_exec', request)) as { Id: string };
    return id;
  }

  async startExec(execId: string, tty: boolean, { signal }: CallOptions = {}): Promise<Duplex> {
    const body = { Detach: false, Tty: tty };
    const request = { method: 'POST', path: `${execPath(execId)}/start`, body, signal } as const;
    return this.#measured('start_exec', () => this.#session.hijack(request));
  }

  async inspectExec(execId: string, { signal }: CallOptions = {}): Promise<ExecInspect> {
    const request = { method: 'GET', path: `${execPath(execId)}/json`, blocks: true, signal } as const;
    return (await this.#call('inspect_exec', request)) as ExecInspect;
  }

  async resizeExec(execId: string, size: TerminalSize, { signal }: CallOptions = {}): Promise<void> {
    await this.#resize('resize_exec', execPath(execId), size, signal);
  }

  async attachContainer(
    id: string,
    { detachKeys, ...streams }: AttachStreams,
    { signal }: CallOptions = {},
  ): Promise<Duplex> {
    const query: Record<string, string> = { stream: '1', detachKeys };
    for (const [name, wanted] of Object.entries(streams)) if (wanted) query[name] = '1';
    const request = {
      method: 'POST',
      path: `${containerPath(id)}/attach`,
      blocks: true,
      query,
      signal,
    } as const;
    return this.#measured('attach_container', () => this.#session.hijack(request));
  }

  async resizeContainer(id: string, size: TerminalSize, { signal }: CallOptions = {}): Promise<void> {
    await this.#resize('resize_container', containerPath(id), size, signal);
  }

  async statPath(id: string, path: string, { signal }: CallOptions = {}): Promise<PathStat | undefined> {
    const request = {
      method: 'HEAD',
      path: `${containerPath(id)}/archive`,
      blocks: true,
      query: { path },
      signal,
    } as const;
    return this.#measured('stat_path', async () => {
      try {
        return readPathStat((await this.#session.bytes(request)).headers);
      } catch (error) {
        if (hasCode(error, Code.NOT_FOUND)) return undefined;
        throw error;
      }
    });
  }

  async readArchive(
    id: string,
    path: string,
    onChunk: (chunk: Buffer) => Promise<void>,
    { signal }: CallOptions = {},
  ): Promise<void> {
    const request = {
      method: 'GET',
      path: `${containerPath(id)}/archive`,
      query: { path },
      signal,
      long: true,
    } as const;
    await this.#measured('read_archive', () => this.#session.chunks(request, () => undefined, onChunk));
  }

  async writeArchive(id: string, archive: Readable, { signal }: CallOptions = {}): Promise<void> {
    const request = {
      method: 'PUT',
      path: `${containerPath(id)}/archive`,
      query: { path: '/' },
      stream: archive,
      signal,
      long: true,
    } as const;
    await this.#measured('write_archive', () => this.#session.upload(request));
  }

  async readFile(id: string, path: string, { signal }: CallOptions = {}): Promise<Buffer> {
    const request = {
      method: 'GET',
      path: `${containerPath(id)}/archive`,
      blocks: true,
      query: { path },
      signal,
    } as const;
    return this.#measured('read_file', async () => firstTarFile((await this.#session.bytes(request)).body));
  }

  async listImages({ signal }: CallOptions = {}): Promise<ImageListEntry[]> {
    return (await this.#call('list_images', {
      method: 'GET',
      path: '/images/json',
      signal,
    })) as ImageListEntry[];
  }

  async inspectImage(reference: string, { signal }: CallOptions = {}): Promise<ImageInspect> {
    const request = { method: 'GET', path: `${imagePath(reference)}/json`, signal } as const;
    return (await this.#call('inspect_image', request)) as ImageInspect;
  }

  async removeImage(id: string, { signal }: CallOptions = {}): Promise<void> {
    const request = {
      method: 'DELETE',
      path: imagePath(id),
      query: { force: '1' },
      signal,
      long: true,
    } as const;
    await this.#call('remove_image', request);
  }

  async pullImage(reference: string, options: PullOptions): Promise<void> {
    const progress = new PullProgress();
    try {
      await this.#measured('pull_image', () => pullImage(this.#session, reference, options, progress));
    } finally {
      this.#onFetched?.(progress.fetchedBytes);
    }
  }

  async imageDiskUsageBytes({ signal }: CallOptions = {}): Promise<number> {
    // `type` came with API 1.42; older Engines ignore it and measure everything.
    const request = {
      method: 'GET',
      path: '/system/df',
      query: { type: 'image' },
      signal,
      long: true,
    } as const;
    const usage = (await this.#call('disk_usage', request)) as {
      LayersSize?: Nullable<number>;
      /** Since API 1.52, in place of `LayersSize`. */
      ImageUsage?: Nullable<{ TotalSize: number }>;
    };
    return usage.ImageUsage?.TotalSize ?? usage.LayersSize ?? 0;
  }

  async followEvents({ signal, onOpen, onEvent, filters }: EventStreamOptions): Promise<void> {
    const query = { filters: JSON.stringify(filters), since: sinceNow(Date.now()) };
    const request = { method: 'GET', path: '/events', query, signal, long: true } as const;
    await this.#session.lines(request, onOpen, (line) => onEvent(parseEvent(line)));
    // The Engine ends the stream when it goes down; another one may come up.
    this.#session.forget();
  }

  async readLogs(id: string, options: LogReadOptions): Promise<void> {
    const { signal, tty, follow, since, tail, onOpen = () => undefined, onMessages } = options;
    const query = {
      stdout: '1',
      stderr: '1',
      timestamps: '1',
      follow: follow ? '1' : '0',
      ...(since !== undefined && { since }),
      ...(tail !== undefined && { tail: String(tail) }),
    };
    const request = {
      method: 'GET',
      path: `${containerPath(id)}/logs`,
      blocks: true,
      query,
      signal,
      long: true,
    } as const;
    const reader = new LogReader(tty);
    const onChunk = (chunk: Buffer): Promise<void> | undefined => {
      const messages = reader.push(chunk);
      return messages.length === 0 ? undefined : onMessages(messages);
    };
    if (follow) {
      await this.#session.unframedChunks(request, onOpen, onChunk);
      return; // what the reader has left may have been cut off
    }
    await this.#session.chunks(request, onOpen, onChunk);
    const rest = reader.end();
    if (rest !== undefined) await onMessages([rest]);
  }

  close(): void {
    this.#transport.closeIdle();
  }

  /** The wait ends with the container; it was gone before when the Engine does not know it. */
  async #waitUntilRemoved(id: string, signal: AbortSignal | undefined): Promise<void> {
    const path = `${containerPath(id)}/wait`;
    const request = {
      method: 'POST',
      path,
      query: { condition: 'removed' },
      signal,
      idempotent: true,
      long: true,
    } as const;
    try {
      const answer = (await this.#session.json(request)) as { Error?: Nullable<{ Message: string }> };
      if (answer.Error) throw new CriError(Code.FAILED_PRECONDITION, answer.Error.Message);
    } catch (error) {
      if (!hasCode(error, Code.NOT_FOUND)) throw error;
    }
  }

  async #resize(
    operation: string,
    path: string,
    { width, height }: TerminalSize,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const request = {
      method: 'POST',
      path: `${path}/resize`,
      blocks: true,
      query: { w: String(width), h: String(height) },
      signal,
    } as const;
    await this.#call(operation, { ...request, idempotent: true });
  }

  #call(operation: string, request: SessionRequest): Promise<unknown> {
    return this.#measured(operation, () => this.#session.json(request));
  }

  #measured<T>(operation: string, call: () => Promise<T>): Promise<T> {
    return measured(call, (durationMs, code) => this.#onCall?.(operation, durationMs, code));
  }
}

function containerPath(id: string): string {
  return `/containers/${encodeURIComponent(id)}`;
}

function execPath(id: string): string {
  return `/exec/${encodeURIComponent(id)}`;
}

/** The slashes of a reference stay: the Engine takes the rest of the path as its name. */
function imagePath(reference: string): string {
  return `/images/${reference.split('/').map(encodeURIComponent).join('/')}`;
}
