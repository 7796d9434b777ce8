import { renameSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceError } from '../../support/cri-client.js';
import type { CridockProcess } from '../../support/cridock-process.js';
import { openRemote } from '../../support/remote-command.js';
import { TinyRegistry } from '../../support/tiny-registry.js';
import { until } from '../../support/until.js';
import { Durations } from '../durations.js';
import type { Failure, Kubelet } from '../kubelet/kubelet.js';
import { isRunning } from '../kubelet/pod-actions.js';

const CALL = { timeoutMs: 30_000 };
/** An empty archive: two blocks of zeros. */
const LAYER = Buffer.alloc(1_024);

/** What goes on at a node besides pods that come and go: exec sessions, rotated logs, statistics, events and pulls. */
export class SoakLoad {
  readonly failures: Failure[] = [];
  /** Of calls, by RPC, and of whole exec sessions. */
  readonly durations = new Durations();
  readonly #cridock: CridockProcess;
  readonly #kubelet: Kubelet;
  readonly #stop = new AbortController();
  readonly #done = new Map<string, number>();
  #loops: Promise<void>[] = [];
  #registry: TinyRegistry | undefined;
  #endEvents: () => void = () => undefined;

  constructor(cridock: CridockProcess, kubelet: Kubelet) {
    this.#cridock = cridock;
    this.#kubelet = kubelet;
  }

  async start(): Promise<void> {
    this.#registry = await TinyRegistry.start(LAYER);
    this.#loops = [
      this.#repeat('exec session', 2_000, () =>
        this.durations.time('exec session', () => this.#execSession()),
      ),
      this.#repeat('log rotation', 2_000, () => this.#rotateLog()),
      this.#repeat('statistics', 10_000, () => this.#statistics()),
      this.#repeat('status', 1_000, () => this.#statuses()),
      this.#repeat('pull', 5_000, () => this.#pull()),
      this.#followEvents(),
    ];
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#endEvents();
    await Promise.all(this.#loops);
    await this.#registry?.close();
  }

  /** How often each thing was done. */
  told(): string {
    return [...this.#done].map(([what, count]) => `${count} ${what}`).join(', ');
  }

  async #repeat(what: string, everyMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await work();
        this.#count(what);
      } catch (error) {
        const { code, message } = error as ServiceError;
        this.failures.push({ rpc: what, code, text: message, atMs: performance.now() });
      }
      await delay(everyMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #count(what: string): void {
    this.#done.set(what, (this.#done.get(what) ?? 0) + 1);
  }

  /** A container of the younger half of the pods: those stay for a while yet. */
  #someContainer(): string {
    const names = this.#kubelet.names;
    const candidates = names
      .slice(names.length / 2)
      .flatMap((name) => this.#kubelet.parts(name).containers)
      .filter(isRunning);
    const chosen = candidates[Math.floor(Math.random() * candidates.length)];
    if (chosen === undefined) throw new Error('no container runs');
    return chosen.id;
  }

  async #execSession(): Promise<void> {
    const cmd = ['sh', '-c', 'echo out; exit 3'];
    const request = { container_id: this.#someContainer(), cmd, stdout: true, stderr: true };
    const { url } = await this.#cridock.client.runtime.Exec(request, CALL);
    const session = await openRemote(url);
    const { stdout, status } = await session.result;
    session.client.destroy();
    if (stdout.toString() !== 'out\n' || !status.includes('"3"'))
      throw new Error(`exec: ${stdout.toString()} ${status}`);
  }

  /** As the kubelet rotates: away with the file, then ReopenContainerLog; the new one fills. */
  async #rotateLog(): Promise<void> {
    const { runtime } = this.#cridock.client;
    const container_id = this.#someContainer();
    const { status } = await runtime.ContainerStatus({ container_id }, CALL);
    const path = status?.log_path ?? '';
    renameSync(path, `${path}.rotated`);
    await runtime.ReopenContainerLog({ container_id }, CALL);
    await until(`lines in ${path}`, () => statSync(path).size > 0, 20_000);
  }

  async #statistics(): Promise<void> {
    const { runtime, image } = this.#cridock.client;
    await this.durations.time('ListContainerStats', () => runtime.ListContainerStats({}, CALL));
    await this.durations.time('ListPodSandboxStats', () => runtime.ListPodSandboxStats({}, CALL));
    await this.durations.time('ListPodSandboxMetrics', () => runtime.ListPodSandboxMetrics({}, CALL));
    await this.durations.time('ImageFsInfo', () => image.ImageFsInfo({}, CALL));
  }

  async #statuses(): Promise<void> {
    const { runtime, image } = this.#cridock.client;
    const container_id = this.#someContainer();
    await this.durations.time('Status', () => runtime.Status({ verbose: true }, CALL));
    await this.durations.time('ContainerStatus', () =>
      runtime.ContainerStatus({ container_id, verbose: true }, CALL),
    );
    await this.durations.time('ListImages', () => image.ListImages({}, CALL));
  }

  async #pull(): Promise<void> {
    const { image } = this.#cridock.client;
    const spec = { image: `${this.#registry?.host}/soak:good` };
    await image.PullImage({ image: spec }, CALL);
    await image.RemoveImage({ image: spec }, CALL);
  }

  /** Reads events all the time; each container's must come in the order of its life. */
  async #followEvents(): Promise<void> {
    const stream = this.#cridock.client.streams.GetContainerEvents({});
    this.#endEvents = () => stream.cancel();
    try {
      for await (const { container_id: id } of stream) this.#count(id === '' ? 'empty event' : 'event');
    } catch (error) {
      const { code, message } = error as ServiceError;
      if (!this.#stop.signal.aborted)
        this.failures.push({ rpc: 'GetContainerEvents', code, text: message, atMs: performance.now() });
    }
  }
}
