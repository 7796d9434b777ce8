import type { ContainerUpdate } from '../../gen/nri/pkg/api/v1alpha1/ContainerUpdate.js';
import type { ContainerUpdate__Output } from '../../gen/nri/pkg/api/v1alpha1/ContainerUpdate.js';
import type { LinuxResources } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';
import { Code, CriError } from '../../util/cri-error.js';
import type { Owners } from './owners.js';
import { mergeResources } from './resources.js';

/** Puts together which limits of which containers plugins want to change, in the course of one event. */
export class UpdateMerge {
  readonly #owners: Owners;
  readonly #updates = new Map<string, { resources: LinuxResources; ignoreFailure: boolean }>();
  /** The container that is being created: it has no limits to change yet. */
  readonly #created: string | undefined;

  constructor(owners: Owners, created?: string) {
    this.#owners = owners;
    this.#created = created;
  }

  /** What was asked for by somebody else than plugins, for the container of an update. */
  begin(container: string, resources: LinuxResources): void {
    this.#updates.set(container, { resources, ignoreFailure: false });
  }

  /** Throws FAILED_PRECONDITION where two plugins set the same field, unless the update may fail: then it is left out. */
  add(plugin: string, updates: readonly ContainerUpdate__Output[]): void {
    for (const { container_id: id, linux, ignore_failure: mayFail } of updates) {
      if (id === this.#created) {
        throw new CriError(
          Code.FAILED_PRECONDITION,
          `the NRI plugin ${plugin} updates container ${id}, which it is asked to adjust`,
        );
      }
      const before = this.#updates.get(id) ?? { resources: {}, ignoreFailure: true };
      try {
        const asked = linux?.resources ?? null;
        const resources =
          asked === null
            ? before.resources
            : mergeResources(before.resources, asked, (field, key) =>
                this.#owners.claim(id, field, plugin, key),
              );
        this.#updates.set(id, { resources, ignoreFailure: before.ignoreFailure && mayFail });
      } catch (error) {
        if (!mayFail) throw error;
      }
    }
  }

  /** The limits of a container of which `begin` has told. */
  resourcesOf(container: string): LinuxResources {
    return this.#updates.get(container)?.resources ?? {};
  }

  /** Those of all others. */
  others(container?: string): ContainerUpdate[] {
    return [...this.#updates]
      .filter(([id]) => id !== container)
      .map(([id, { resources, ignoreFailure }]) => {
        return { container_id: id, linux: { resources }, ignore_failure: ignoreFailure };
      });
  }
}
