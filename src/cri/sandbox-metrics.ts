import { readlinkSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Metric } from '../gen/runtime/v1/Metric.js';
import type { Picture } from '../state/picture.js';
import {
  isAlive,
  isHostNetwork,
  type ContainerRecord,
  type ObjectRecord,
  type SandboxRecord,
} from '../state/records.js';
import { deviceOf } from '../stats/layer-folder.js';
import type { Probe } from '../stats/usage-probes.js';
import { inBatches } from '../util/batches.js';
import type { CallContext } from '../util/call-context.js';
import { EncodedReply } from '../util/encoded-reply.js';
import { WireWriter } from '../util/wire-writer.js';
import {
  addCpu,
  addDevices,
  addLayer,
  addMemory,
  addNetwork,
  addPressure,
  addProcesses,
  addSpec,
  type AddMetric,
  type LayerFilesystem,
} from './container-metrics.js';
import type { CriDeps } from './deps.js';
import { imageRoot } from './image-fs-info.js';
import { MetricSeries } from './metric-series.js';
import type { Statistics } from './statistics.js';

/** As cAdvisor labels what belongs to a pod's sandbox, the network above all. */
const SANDBOX_CONTAINER_NAME = 'POD';

/** Field numbers of PodSandboxMetrics and ContainerMetrics (`id`) and of the reply. */
const ID_FIELD = 1;
const CONTAINER_METRICS_FIELD = 3;
const PODS_FIELD = 1;

/** The metrics of all running pods (CRI: ListPodSandboxMetrics). Never asks the Engine. */
export async function listPodSandboxMetrics(deps: CriDeps, ctx: CallContext): Promise<EncodedReply> {
  const batches: Buffer[] = [];
  for await (const { bytes } of streamPodSandboxMetrics(deps, ctx)) batches.push(bytes);
  return new EncodedReply(Buffer.concat(batches));
}

/** ListPodSandboxMetrics as a stream (CRI: StreamPodSandboxMetrics); its messages are laid out as that one's reply. */
export async function* streamPodSandboxMetrics(
  { mirror, sandboxMetrics }: CriDeps,
  ctx: CallContext,
): AsyncGenerator<EncodedReply> {
  const picture = await mirror.current(ctx.signal);
  const filesystem = await sandboxMetrics.filesystem(await imageRoot(mirror.facts?.info));
  const sandboxes = [...picture.sandboxes.values()].filter(isAlive);
  for await (const batch of inBatches(sandboxes)) {
    const pods = batch.map((sandbox) => sandboxMetrics.encode(picture, sandbox, filesystem));
    yield new EncodedReply(Buffer.concat(pods));
  }
}

/** Encodes the metrics of pods, and keeps what is the same from call to call. */
export class SandboxMetrics {
  readonly #statistics: Statistics;
  readonly #encode: (metric: Metric) => Buffer;
  readonly #series = new WeakMap<ObjectRecord, MetricSeries>();
  readonly #deviceNames = new Map<string, string>();
  readonly #devicesOfFolders = new Map<string, string>();
  readonly #inner = new WireWriter();
  readonly #outer = new WireWriter();

  /** `encode` answers the bytes of a Metric. */
  constructor(statistics: Statistics, encode: (metric: Metric) => Buffer) {
    this.#statistics = statistics;
    this.#encode = encode;
  }

  /** A reply that holds the metrics of this one pod; such replies may be joined. */
  encode(picture: Picture, sandbox: SandboxRecord, filesystem: LayerFilesystem): Buffer {
    const containers: Buffer[] = [];
    for (const container of picture.membersOf(sandbox.id)) {
      const probe = isAlive(container) ? this.#statistics.probes.of(container.id) : undefined;
      if (probe !== undefined) containers.push(this.#container(sandbox, container, probe, filesystem));
    }
    this.#inner.field(ID_FIELD, Buffer.from(sandbox.id));
    if (!isHostNetwork(sandbox)) {
      addNetwork(this.#adder(sandbox, sandbox), this.#statistics.probes.interfaces(sandbox.pid));
    }
    for (const container of containers) this.#inner.field(CONTAINER_METRICS_FIELD, container);
    this.#outer.field(PODS_FIELD, this.#inner.take());
    return this.#outer.take();
  }

  /** The filesystem that this folder is on. */
  async filesystem(folder: string): Promise<LayerFilesystem> {
    let device = this.#devicesOfFolders.get(folder);
    if (device === undefined) {
      device = deviceOf(this.#statistics.probes.mountinfo('self') ?? '', folder);
      this.#devicesOfFolders.set(folder, device);
    }
    const { blocks, bsize, files, ffree } = await statfs(folder);
    return { device, bytes: blocks * bsize, inodes: files, inodesFree: ffree };
  }

  #container(
    sandbox: SandboxRecord,
    container: ContainerRecord,
    { cgroup, pid }: Probe,
    filesystem: LayerFilesystem,
  ): Buffer {
    const { census, layers, probes } = this.#statistics;
    this.#inner.field(ID_FIELD, Buffer.from(container.id));
    const add = this.#adder(sandbox, container);
    addCpu(add, cgroup);
    addMemory(add, cgroup);
    addDevices(add, cgroup, (device) => this.#deviceName(device));
    addLayer(add, layers.sizeOf(container.id), filesystem);
    addPressure(add, cgroup);
    addProcesses(add, cgroup, probes.openFilesLimit(pid));
    addSpec(add, container, Date.now());
    const open = census.of(container.id, () => cgroup.processIds() ?? []);
    add('container_file_descriptors', open?.descriptors);
    add('container_sockets', open?.sockets);
    return this.#inner.take();
  }

  #adder(sandbox: SandboxRecord, record: ObjectRecord): AddMetric {
    let series = this.#series.get(record);
    if (series === undefined) {
      series = new MetricSeries(this.#commonLabels(sandbox, record), this.#encode);
      this.#series.set(record, series);
    }
    const known = series;
    return (name, value, ...labels) => known.write(this.#inner, name, value, labels);
  }

  /** Values of COMMON_LABELS. `id` is the path of the cgroup, as with cAdvisor. */
  #commonLabels({ identity }: SandboxRecord, record: ObjectRecord): string[] {
    const isSandbox = record.kind === 'sandbox';
    return [
      identity.name,
      identity.namespace,
      isSandbox ? SANDBOX_CONTAINER_NAME : record.metadata.name,
      this.#statistics.probes.of(record.id)?.path ?? '',
      isSandbox ? record.inspect.Config.Image : record.image.name,
    ];
  }

  /** `/dev/sda` for `8:0`, or the numbers when the kernel does not name it. */
  #deviceName(device: string): string {
    let name = this.#deviceNames.get(device);
    if (name === undefined) {
      try {
        name = `/dev/${posix.basename(readlinkSync(`/sys/dev/block/${device}`))}`;
      } catch {
        name = device;
      }
      this.#deviceNames.set(device, name);
    }
    return name;
  }
}
