import { readlinkSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Picture } from '../state/picture.js';
import {
  type ObjectRecord,
  type SandboxRecord,
  isHostNetwork,
  isAlive,
  type ContainerRecord,
} from '../state/records.js';
import { WireWriter } from '../util/wire-writer.js';
import {
  type LayerFilesystem,
  addNetwork,
  addCpu,
  addMemory,
  addDevices,
  addLayer,
  addPressure,
  addProcesses,
  addSpec,
  addCensus,
  type AddMetric,
} from './container-metrics.js';
import { deviceOf } from './layer-folder.js';
import { encodeHeads, MetricSeries } from './metric-series.js';
import type { Residents } from './process-census.js';
import type { Statistics } from './statistics.js';
import type { Probe } from './usage-probes.js';

/** As cAdvisor labels what belongs to a pod's sandbox, the network above all. */
const SANDBOX_CONTAINER_NAME = 'POD';

/** Field numbers of PodSandboxMetrics and ContainerMetrics (`id`) and of the reply. */
const ID_FIELD = 1;
const CONTAINER_METRICS_FIELD = 3;
const PODS_FIELD = 1;

/** Encodes the metrics of pods, and keeps what is the same from call to call. */
export class SandboxMetrics {
  readonly #statistics: Statistics;
  readonly #heads = encodeHeads();
  readonly #series = new WeakMap<ObjectRecord, MetricSeries>();
  readonly #deviceNames = new Map<string, string>();
  readonly #devicesOfFolders = new Map<string, string>();
  readonly #writer = new WireWriter();

  constructor(statistics: Statistics) {
    this.#statistics = statistics;
  }

  /** A reply that holds the metrics of these pods; such replies may be joined. */
  encode(picture: Picture, sandboxes: readonly SandboxRecord[], filesystem: LayerFilesystem): Buffer {
    return this.#writer.encode(() => {
      for (const sandbox of sandboxes) {
        const pod = this.#writer.begin(PODS_FIELD);
        this.#writePod(picture, sandbox, filesystem);
        this.#writer.end(pod);
      }
    });
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

  #writePod(picture: Picture, sandbox: SandboxRecord, filesystem: LayerFilesystem): void {
    const { probes } = this.#statistics;
    this.#writer.text(ID_FIELD, sandbox.id);
    if (!isHostNetwork(sandbox)) addNetwork(this.#adder(sandbox, sandbox), probes.interfaces(sandbox.id));
    for (const container of picture.membersOf(sandbox.id)) {
      const probe = isAlive(container) ? probes.of(container.id) : undefined;
      if (probe === undefined) continue;
      const metrics = this.#writer.begin(CONTAINER_METRICS_FIELD);
      this.#writeContainer(sandbox, container, probe, filesystem);
      this.#writer.end(metrics);
    }
  }

  #writeContainer(
    sandbox: SandboxRecord,
    container: ContainerRecord,
    { cgroup, pid }: Probe,
    filesystem: LayerFilesystem,
  ): void {
    const { census, layers, probes } = this.#statistics;
    this.#writer.text(ID_FIELD, container.id);
    const add = this.#adder(sandbox, container);
    addCpu(add, cgroup);
    addMemory(add, cgroup);
    addDevices(add, cgroup, (device) => this.#deviceName(device));
    addLayer(add, layers.sizeOf(container.id), filesystem);
    addPressure(add, cgroup);
    addProcesses(add, cgroup);
    addSpec(add, container, Date.now());
    const residents = (): Residents => ({
      pids: cgroup.processIds(),
      openFilesLimit: probes.openFilesLimit(pid),
    });
    addCensus(add, census.of(container.id, residents));
  }

  #adder(sandbox: SandboxRecord, record: ObjectRecord): AddMetric {
    let series = this.#series.get(record);
    if (series === undefined) {
      series = new MetricSeries(this.#heads, this.#commonLabels(sandbox, record));
      this.#series.set(record, series);
    }
    const known = series;
    return (name, value, labels) => known.write(this.#writer, name, value, labels);
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
