import { isAlive, type ContainerRecord, type ObjectRecord } from '../state/records.js';
import type { Mirror } from '../state/mirror.js';
import type { Change } from '../state/transitions.js';
import { upperFolder } from './layer-folder.js';
import { LayerSizes } from './layer-sizes.js';
import { ProcessCensus } from './process-census.js';
import { UsageProbes } from './usage-probes.js';
import type { Logger } from '../util/log.js';

/** Everything that measures, and follows the mirror's picture. Asks no Engine. */
export class Statistics {
  readonly probes = new UsageProbes();
  readonly census = new ProcessCensus();
  readonly layers: LayerSizes;

  constructor(mirror: Mirror, log: Logger) {
    this.layers = new LayerSizes(log);
    mirror.subscribe({ onChange: (change) => this.#note(change) });
  }

  start(): void {
    this.probes.start();
    this.layers.start();
  }

  async stop(): Promise<void> {
    this.probes.stop();
    await this.layers.stop();
  }

  #note({ before, after }: Change): void {
    if (after !== undefined) this.#put(after);
    else if (before !== undefined) this.#forget(before.id);
  }

  #put(record: ObjectRecord): void {
    if (isAlive(record)) {
      const inPodCgroup = record.kind === 'sandbox' && (record.inspect.HostConfig.CgroupParent ?? '') !== '';
      this.probes.track({ id: record.id, pid: record.pid, inPodCgroup });
    } else {
      this.probes.forget(record.id);
      this.census.forget(record.id);
    }
    if (record.kind === 'container') {
      const folder = this.#layerFolder(record);
      if (folder !== undefined) this.layers.track(record.id, folder, isAlive(record));
    }
  }

  #forget(id: string): void {
    this.probes.forget(id);
    this.census.forget(id);
    this.layers.forget(id);
  }

  /** Docker tells the folder with its own image store; with containerd's only the mounts of a running container do. */
  #layerFolder(record: ContainerRecord): string | undefined {
    const told = record.inspect.GraphDriver?.Data?.['UpperDir'] ?? this.layers.folderOf(record.id);
    if (told !== undefined || record.pid === 0) return told;
    const mountinfo = this.probes.mountinfo(record.pid);
    return mountinfo === undefined ? undefined : upperFolder(mountinfo);
  }
}
