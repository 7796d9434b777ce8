import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultNode } from './fault-node.js';

const READ_EVERY_MS = 20;
/** Of the reads while a fault lasts that is to cost nobody else anything. */
const LONGEST_P99_MS = 50;
/** On a machine that is busy with other things, against a call that reads nothing, at the same time. */
const TIMES_SLOWER = 3;

/** Reads lists, other objects than the culprit and the node's conditions again and again, and judges them in the end. */
export class WatchedReads {
  readonly #node: FaultNode;
  readonly #ids: readonly string[];
  readonly #readsMs: number[] = [];
  /** Of Version, which reads nothing: how busy the machine is. */
  readonly #emptyMs: number[] = [];
  readonly #notReady: string[] = [];
  #goesOn = true;
  #reading: Promise<void> = Promise.resolve();

  /** Of `ids`, sandboxes and containers that stay, all but the culprit are read. */
  constructor(node: FaultNode, culprit: string | undefined, ids: readonly string[]) {
    this.#node = node;
    this.#ids = ids.filter((id) => id !== culprit);
  }

  start(): void {
    this.#reading = this.#readOn();
    this.#reading.catch(() => undefined); // told by `check`
  }

  /** Ends the reads; answers how long they took. Throws when one failed, when they were slow, or when the node was not ready. */
  async check(): Promise<string> {
    this.#goesOn = false;
    await this.#reading;
    assert.deepEqual(this.#notReady, [], 'the node was not ready');
    assert.doesNotMatch(this.#node.cridock.log(), /lost the Docker Engine/);
    const p99Ms = quantile(this.#readsMs, 0.99);
    const emptyP99Ms = quantile(this.#emptyMs, 0.99);
    const told = [
      `${this.#readsMs.length} reads of others`,
      `p50 ${quantile(this.#readsMs, 0.5).toFixed(1)}`,
      `p99 ${p99Ms.toFixed(1)} ms (of Version ${emptyP99Ms.toFixed(1)} ms)`,
    ].join(', ');
    assert.ok(p99Ms < Math.max(LONGEST_P99_MS, TIMES_SLOWER * emptyP99Ms), told);
    return told;
  }

  async #readOn(): Promise<void> {
    const { runtime } = this.#node.cridock.client;
    const { containers } = await runtime.ListContainers({});
    const own = new Set(containers.map(({ id }) => id));
    while (this.#goesOn) {
      for (const id of this.#ids) {
        await this.#timed(() =>
          own.has(id)
            ? runtime.ContainerStatus({ container_id: id })
            : runtime.PodSandboxStatus({ pod_sandbox_id: id }),
        );
      }
      await this.#timed(() => runtime.ListContainers({}));
      await this.#timed(() => runtime.ListPodSandbox({}));
      const { status } = await runtime.Status({});
      const ready = status?.conditions.find(({ type }) => type === 'RuntimeReady');
      if (ready?.status !== true) this.#notReady.push(ready?.message ?? 'no condition');
      await delay(READ_EVERY_MS);
    }
  }

  /** A read, and a call beside it that reads nothing. */
  async #timed(read: () => Promise<unknown>): Promise<void> {
    const beganMs = performance.now();
    await read();
    const readMs = performance.now();
    await this.#node.cridock.client.runtime.Version({});
    this.#readsMs.push(readMs - beganMs);
    this.#emptyMs.push(performance.now() - readMs);
  }
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
}
