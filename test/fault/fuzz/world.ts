import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { forEachLimited } from '../../../src/util/concurrency.js';
import type { CridockProcess } from '../../support/cridock-process.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';
import type { TinyRegistry } from '../../support/tiny-registry.js';

const IMAGE = 'busybox:latest';
const KEEPERS = 2;
const DISPOSABLES = 2;
/** More pods than this are cleared away, so that the run goes on at one speed. */
const MAX_PODS = 16;
const AT_A_TIME = 4;

/** The pods that the requests are about. */
export class World {
  readonly cridock: CridockProcess;
  readonly registry: TinyRegistry;
  /** Where pods may have files; nothing may be written elsewhere. */
  readonly directory: string;
  /** Pods that no request may change. */
  readonly keepers: MadePod[] = [];
  /** Pods that requests may do anything to; replaced when they are gone. */
  disposables: MadePod[] = [];
  #made = 0;

  constructor(cridock: CridockProcess, registry: TinyRegistry) {
    this.cridock = cridock;
    this.registry = registry;
    this.directory = path.join(cridock.directory, 'pods');
    mkdirSync(this.directory);
  }

  async populate(): Promise<void> {
    this.keepers.push(...(await this.#makeSome('keeper', KEEPERS)));
    await this.tend();
  }

  /** Replaces what was removed, and clears away what was made beyond need. Rejects when that cannot be done. */
  async tend(): Promise<void> {
    const { items } = await this.#runtime.ListPodSandbox({});
    if (items.length > MAX_PODS) await this.clear();
    const { containers } = await this.#runtime.ListContainers({ filter: { state: { state: 1 } } });
    const running = new Set(containers.map(({ id }) => id));
    const isWhole = (pod: MadePod): boolean => pod.containerIds.every((id) => running.has(id));
    this.disposables = this.disposables.filter(isWhole);
    const missing = DISPOSABLES - this.disposables.length;
    this.disposables.push(...(await this.#makeSome('disposable', missing)));
  }

  /** Removes all pods but the keepers, as a kubelet would that does not know them. */
  async clear(): Promise<void> {
    const kept = this.keepers.map(({ sandboxId }) => sandboxId);
    const { items } = await this.#runtime.ListPodSandbox({});
    const { containers } = await this.#runtime.ListContainers({});
    const others = items.filter((item) => !kept.includes(item.id));
    await forEachLimited(others, AT_A_TIME, async ({ id }) => {
      const containerIds = containers.filter((one) => one.pod_sandbox_id === id).map((one) => one.id);
      await removePod(this.cridock.client, { sandboxId: id, containerIds });
    });
    this.disposables = [];
  }

  async removeKeepers(): Promise<void> {
    for (const keeper of this.keepers) await removePod(this.cridock.client, keeper);
  }

  /** All that can be seen of the keepers and must not change. */
  async keepersState(): Promise<unknown> {
    return Promise.all(
      this.keepers.map(async ({ sandboxId, containerIds }) => [
        (await this.#runtime.PodSandboxStatus({ pod_sandbox_id: sandboxId })).status,
        ...(await Promise.all(
          containerIds.map(async (id) => (await this.#runtime.ContainerStatus({ container_id: id })).status),
        )),
      ]),
    );
  }

  get #runtime(): CridockProcess['client']['runtime'] {
    return this.cridock.client.runtime;
  }

  #makeSome(kind: string, count: number): Promise<MadePod[]> {
    return Promise.all(Array.from({ length: count }, () => this.#make(kind)));
  }

  #make(kind: string): Promise<MadePod> {
    this.#made += 1;
    const { cridock, directory } = this;
    const name = `fuzz-${kind}-${this.#made}`;
    return makePod(cridock.client, { name, image: IMAGE, directory, containers: 2 });
  }
}
