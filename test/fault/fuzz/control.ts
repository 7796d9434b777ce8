import { setTimeout as delay } from 'node:timers/promises';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { connectCri } from '../../support/cri-client.js';

/** How a client with simple wishes fared. */
export interface Fared {
  readonly answers: number;
  readonly slowestMs: number;
  /** By how much its own timers were late at most: that is the machine's doing. */
  readonly laggedMs: number;
  readonly failures: readonly string[];
}

const EVERY_MS = 100;
/** A call that is not answered in this time counts as none that ever will be. */
const GIVE_UP_MS = 60_000;

/** Calls Version again and again, on a connection and a thread of its own, until it is stopped. */
export class Control {
  readonly #worker: Worker;
  #fared: Fared = { answers: 0, slowestMs: 0, laggedMs: 0, failures: [] };

  constructor(socketPath: string) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: socketPath });
    this.#worker.on('message', (fared: Fared) => {
      this.#fared = fared;
    });
  }

  get fared(): Fared {
    return this.#fared;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

async function callOnAndOn(socketPath: string): Promise<never> {
  const client = connectCri(socketPath);
  let fared: Fared = { answers: 0, slowestMs: 0, laggedMs: 0, failures: [] };
  for (;;) {
    const startedAtMs = performance.now();
    try {
      await client.runtime.Version({}, { timeoutMs: GIVE_UP_MS });
      const slowestMs = Math.max(fared.slowestMs, performance.now() - startedAtMs);
      fared = { ...fared, answers: fared.answers + 1, slowestMs };
    } catch (error) {
      fared = { ...fared, failures: [...fared.failures, String(error)] };
    }
    parentPort?.postMessage(fared);
    const pausedAtMs = performance.now();
    await delay(EVERY_MS);
    const lagMs = performance.now() - pausedAtMs - EVERY_MS;
    fared = { ...fared, laggedMs: Math.max(fared.laggedMs, lagMs) };
  }
}

if (!isMainThread) await callOnAndOn(workerData as string);
