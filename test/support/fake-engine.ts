import type { Duplex, Readable } from 'node:stream';
import type {
  AttachStreams,
  CallOptions,
  Engine,
  EventStreamOptions,
  LogReadOptions,
  Negotiated,
  PullOptions,
} from '../../src/docker/engine.js';
import { abortError, responseError } from '../../src/docker/errors.js';
import { compareApiVersions } from '../../src/docker/api-version.js';
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
  PathStat,
  Resources,
  TerminalSize,
} from '../../src/docker/types.js';
import { Code, CriError } from '../../src/util/cri-error.js';
import { fakeContainer, hasLabels } from './fake-container.js';
import { FakeExecs, silentProcess } from './fake-execs.js';
import { FakeEvents } from './fake-events.js';
import { familiar, FakeImages } from './fake-images.js';
import { FakeLogs } from './fake-logs.js';

/** Above Linux' largest pid: nothing can be found, or killed, by the pids of fake processes. */
const FIRST_PID = 4_194_305;

/**
 * An Engine in memory, for tests that need one to fail or to be fast, and for a demonstration where none can run.
 * It keeps the contract of `engine-contract.ts` and runs nothing: its containers' processes end only by `stop`,
 * `exit` or removal.
 */
export class FakeEngine implements Engine {
  readonly isLocal = true;
  readonly #version: Negotiated;
  readonly #containers = new Map<string, ContainerInspect>();
  readonly #images = new FakeImages();
  readonly #pullable = new Set<string>();
  readonly #events = new FakeEvents();
  /** For tests to say what containers write. */
  readonly logs = new FakeLogs();
  readonly #execs = new FakeExecs();
  #negotiated: Negotiated | undefined;
  #down = false;
  #runtimes: EngineInfo['Runtimes'] = { runc: { path: 'runc' } };
  #nextPid = FIRST_PID;

  constructor(apiVersion = '1.51') {
    const version = {
      Version: 'fake',
      ApiVersion: apiVersion,
      MinAPIVersion: '1.24',
      Os: 'linux',
      Arch: 'amd64',
    };
    this.#version = { apiVersion, version };
  }

  /** While true every call fails with UNAVAILABLE; setting it ends the event streams. Containers live on. */
  get down(): boolean {
    return this.#down;
  }

  set down(down: boolean) {
    this.#down = down;
    if (!down) return;
    this.#negotiated = undefined;
    this.#events.end();
  }

  /** The event streams that are open bring nothing from now on, and do not end: an Engine that has lost track. */
  silenceEvents(): void {
    this.#events.silence();
  }

  /** Makes an image exist locally under this name; answers its id. */
  addImage(reference: string): string {
    const id = this.#images.add(reference);
    this.#events.tell('image', 'import', id);
    return id;
  }

  /** As an operator does who changes the daemon's configuration and sends it SIGHUP. */
  reload(runtimes: EngineInfo['Runtimes']): void {
    this.#runtimes = runtimes;
    this.#events.tell('daemon', 'reload', 'fake');
  }

  /** Makes `pullImage` of this name succeed. */
  addPullable(reference: string): void {
    this.#pullable.add(familiar(reference));
  }

  /** As the Engine tells, at times after the end, of memory that had run out; 20.10 takes no note of it then. */
  tellOom(id: string, takesNote = true): void {
    const container = this.#container(id);
    if (takesNote) container.State.OOMKilled = true;
    this.#events.emit('oom', container);
  }

  /** The container's process ends by itself. */
  exit(id: string, exitCode: number, oomKilled = false): void {
    const { State: state, ...container } = this.#container(id);
    if (!state.Running) return;
    Object.assign(state, {
      Status: 'exited',
      Running: false,
      Pid: 0,
      ExitCode: exitCode,
      OOMKilled: oomKilled,
    });
    state.FinishedAt = now();
    if (oomKilled) this.#events.emit('oom', container);
    this.logs.ended(id);
    this.#events.emit('die', container, { exitCode: String(exitCode) });
  }

  get negotiated(): Negotiated | undefined {
    return this.#negotiated;
  }

  supports(apiVersion: string): boolean {
    return this.#negotiated !== undefined && compareApiVersions(this.#negotiated.apiVersion, apiVersion) >= 0;
  }

  async negotiate(options: CallOptions = {}): Promise<Negotiated> {
    await this.#enter(options);
    return this.#version;
  }

  async info(options: CallOptions = {}): Promise<EngineInfo> {
    await this.#enter(options);
    return {
      ID: 'fake',
      Driver: 'overlay2',
      DockerRootDir: '/var/lib/docker',
      CgroupDriver: 'cgroupfs',
      CgroupVersion: '2',
      Runtimes: this.#runtimes,
      DefaultRuntime: 'runc',
      SecurityOptions: ['name=seccomp,profile=builtin'],
      LoggingDriver: 'json-file',
      KernelVersion: '6.1.0',
      ServerVersion: this.#version.version.Version,
    };
  }

  async listContainers(labels: string[], options: CallOptions = {}): Promise<ContainerListEntry[]> {
    await this.#enter(options);
    return [...this.#containers.values()]
      .filter((container) => hasLabels(container, labels))
      .map(({ Id, Name, Config, State, Created }) => ({
        Id,
        Names: [Name],
        Labels: { ...Config.Labels },
        State: State.Status,
        Created: Math.floor(Date.parse(Created) / 1000),
      }));
  }

  async inspectContainer(id: string, options: CallOptions = {}): Promise<ContainerInspect> {
    await this.#enter(options);
    return structuredClone(this.#container(id));
  }

  async createContainer(name: string, body: ContainerCreateBody): Promise<string> {
    await this.#enter({});
    const image = this.#images.get(body.Image);
    const holder = [...this.#containers.values()].find((container) => container.Name === `/${name}`);
    if (holder !== undefined) {
      throw responseError(
        409,
        `Conflict. The container name "/${name}" is already in use by container "${holder.Id}".`,
      );
    }
    const container = fakeContainer(name, body, image.Id);
    this.#containers.set(container.Id, container);
    this.#events.emit('create', container);
    return container.Id;
  }

  async startContainer(id: string): Promise<void> {
    await this.#enter({});
    const container = this.#container(id);
    if (container.State.Running) return;
    Object.assign(container.State, { Status: 'running', Running: true, Pid: this.#nextPid++, ExitCode: 0 });
    Object.assign(container.State, { StartedAt: now(), OOMKilled: false });
    this.#events.emit('start', container);
  }

  /** The process ends at once, as one that SIGKILL ends. */
  async stopContainer(id: string, _timeoutSeconds: number, options: CallOptions = {}): Promise<void> {
    await this.#enter(options);
    const container = this.#container(id);
    if (!container.State.Running) return;
    this.#events.emit('kill', container, { signal: '9' });
    this.exit(id, 137);
    this.#events.emit('stop', container);
  }

  async removeContainer(id: string, options: CallOptions = {}): Promise<void> {
    await this.#enter(options);
    const container = this.#container(id);
    if (container.State.Running) this.#events.emit('kill', container, { signal: '9' });
    this.exit(id, 137);
    this.#containers.delete(id);
    this.#events.emit('destroy', container);
  }

  async updateContainer(id: string, resources: Resources, options: CallOptions = {}): Promise<void> {
    await this.#enter(options);
    const container = this.#container(id);
    // Zero and absent members leave what is set, as the Engine does.
    const given = Object.fromEntries(Object.entries(resources).filter(([, value]) => Boolean(value)));
    Object.assign(container.HostConfig, given);
    this.#events.emit('update', container);
  }

  async createExec(containerId: string, body: ExecCreateBody, options: CallOptions = {}): Promise<string> {
    await this.#enter(options);
    const { Running: running } = this.#container(containerId).State;
    if (!running) throw responseError(409, `Container ${containerId} is not running`);
    return this.#execs.create(body);
  }

  async startExec(execId: string, _tty: boolean, options: CallOptions = {}): Promise<Duplex> {
    await this.#enter(options);
    return this.#execs.start(execId, this.#nextPid++);
  }

  async inspectExec(execId: string, options: CallOptions = {}): Promise<ExecInspect> {
    await this.#enter(options);
    return this.#execs.inspect(execId);
  }

  async resizeExec(execId: string, _size: TerminalSize, options: CallOptions = {}): Promise<void> {
    await this.#enter(options);
    this.#execs.inspect(execId);
  }

  /** The process behind it reads what it is given and says nothing. */
  async attachContainer(id: string, _streams: AttachStreams, options: CallOptions = {}): Promise<Duplex> {
    await this.#enter(options);
    this.#container(id);
    return silentProcess();
  }

  async resizeContainer(id: string, _size: TerminalSize, options: CallOptions = {}): Promise<void> {
    await this.#enter(options);
    this.#container(id);
  }

  /** Nor do its containers write any. */
  async containerChanges(id: string, options: CallOptions = {}): Promise<ContainerChange[]> {
    await this.#enter(options);
    this.#container(id);
    return [];
  }

  /** Its images hold no files. */
  async statPath(id: string, _path: string, options: CallOptions = {}): Promise<PathStat | undefined> {
    await this.#enter(options);
    this.#container(id);
    return undefined;
  }

  async readArchive(
    id: string,
    path: string,
    _onChunk: (chunk: Buffer) => Promise<void>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#enter(options);
    throw responseError(404, `Could not find the file ${path} in container ${id}`);
  }

  async writeArchive(id: string, archive: Readable, options: CallOptions = {}): Promise<void> {
    await this.#enter(options);
    this.#container(id);
    archive.resume();
  }

  async readFile(id: string, path: string, options: CallOptions = {}): Promise<Buffer> {
    await this.#enter(options);
    throw responseError(404, `Could not find the file ${path} in container ${id}`);
  }

  async listImages(options: CallOptions = {}): Promise<ImageListEntry[]> {
    await this.#enter(options);
    return this.#images.list();
  }

  async inspectImage(reference: string, options: CallOptions = {}): Promise<ImageInspect> {
    await this.#enter(options);
    return structuredClone(this.#images.get(reference));
  }

  async removeImage(id: string, options: CallOptions = {}): Promise<void> {
    await this.#enter(options);
    const image = this.#images.get(id);
    const user = [...this.#containers.values()].find(
      ({ Image, State }) => Image === image.Id && State.Running,
    );
    if (user !== undefined) {
      throw responseError(
        409,
        `conflict: unable to delete ${image.Id} (cannot be forced) - image is being used by running container ${user.Id}`,
      );
    }
    this.#images.remove(image.Id);
    this.#events.tell('image', 'delete', image.Id);
  }

  async pullImage(reference: string, options: PullOptions): Promise<void> {
    await this.#enter(options);
    const name = familiar(reference);
    if (!this.#pullable.has(name)) {
      throw responseError(404, `manifest for ${name} not found: manifest unknown: manifest unknown`);
    }
    this.addImage(name);
  }

  async imageDiskUsageBytes(options: CallOptions = {}): Promise<number> {
    await this.#enter(options);
    return this.#images.list().reduce((sum, { Size }) => sum + Size, 0);
  }

  async followEvents(options: EventStreamOptions): Promise<void> {
    await this.#enter(options);
    return this.#events.follow(options);
  }

  async readLogs(id: string, options: LogReadOptions): Promise<void> {
    await this.#enter(options);
    const { State: state } = this.#container(id);
    await this.logs.read(id, () => state.Running, options);
  }

  close(): void {
    // There are no connections.
  }

  async #enter({ signal }: CallOptions): Promise<void> {
    await Promise.resolve();
    if (signal?.aborted === true) throw abortError(signal.reason);
    if (this.#down) throw new CriError(Code.UNAVAILABLE, 'Docker Engine at fake: connect ECONNREFUSED');
    this.#negotiated = this.#version;
  }

  #container(id: string): ContainerInspect {
    const container = this.#containers.get(id);
    if (container === undefined) throw responseError(404, `No such container: ${id}`);
    return container;
  }
}

function now(): string {
  return new Date().toISOString();
}
