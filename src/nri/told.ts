import { ContainerState } from '../gen/nri/pkg/api/v1alpha1/ContainerState.js';
import type { NodeState } from './synchronize.js';

/**
 * What plugins know to live, or to have stopped, by its id: an end is told once, of what they were told of, and nothing is told of
 * what they have seen removed.
 */
export class Told {
  readonly #states = new Map<string, 'live' | 'stopped'>();

  /** They have been told of all of this. */
  synchronized({ pods, containers }: NodeState): void {
    for (const { id = '', pid } of pods) this.#states.set(id, pid === 0 ? 'stopped' : 'live');
    for (const { id = '', state } of containers) {
      this.#states.set(id, state === ContainerState.CONTAINER_STOPPED ? 'stopped' : 'live');
    }
  }

  made(id: string): void {
    this.#states.set(id, 'live');
  }

  /** True the first time. */
  stops(id: string): boolean {
    if (this.#states.get(id) !== 'live') return false;
    this.#states.set(id, 'stopped');
    return true;
  }

  /** True the first time. */
  goes(id: string): boolean {
    return this.#states.delete(id);
  }

  /** Nobody is left who knows. */
  clear(): void {
    this.#states.clear();
  }
}
