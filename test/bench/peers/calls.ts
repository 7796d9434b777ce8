import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { RUN_ON, containerConfig, kubeletMounts, podConfig } from '../../support/pods.js';
import { forEachLimited } from '../../../src/util/concurrency.js';
import { RawCri, idOf, requestEncoder, type Encode } from '../raw-cri.js';
import type { RunningPeer } from './servers.js';

/** So many call at a time, as the kubelet's workers do. */
export const CALLERS = 8;

/** Takes how long a call has taken. */
export type Note = (rpc: string, ms: number) => void;

export interface Pod {
  readonly sandboxId: string;
  readonly containerIds: string[];
}

/** One client of a server, as one worker of the kubelet is: one call at a time, requests as the kubelet sends them. */
export class Worker {
  readonly #cri: RawCri;
  readonly #peer: RunningPeer;
  readonly #encode: Encode;
  readonly #note: Note;

  constructor(peer: RunningPeer, encode: Encode, note: Note) {
    this.#cri = new RawCri(peer.socketPath);
    this.#peer = peer;
    this.#encode = encode;
    this.#note = note;
  }

  close(): void {
    this.#cri.close();
  }

  async makePod(name: string, containers: number): Promise<Pod> {
    const { directory, image } = this.#peer;
    const config = podConfig(name, directory);
    // As the kubelet does; cri-dockerd counts on it.
    for (let index = 0; index < containers; index += 1)
      mkdirSync(join(directory, 'logs', name, `c${index}`), { recursive: true });
    const sandboxId = idOf(await this.call('RunPodSandbox', { config }));
    const containerIds: string[] = [];
    for (let index = 0; index < containers; index += 1) {
      const container = containerConfig(`c${index}`, image, RUN_ON, { mounts: kubeletMounts(directory) });
      const request = { pod_sandbox_id: sandboxId, config: container, sandbox_config: config };
      const id = idOf(await this.call('CreateContainer', request));
      await this.call('StartContainer', { container_id: id });
      containerIds.push(id);
    }
    return { sandboxId, containerIds };
  }

  /** As the kubelet does: containers first, then the sandbox. */
  async removePod({ sandboxId, containerIds }: Pod): Promise<void> {
    for (const id of containerIds) await this.call('StopContainer', { container_id: id, timeout: 2 });
    await this.call('StopPodSandbox', { pod_sandbox_id: sandboxId });
    for (const id of containerIds) await this.call('RemoveContainer', { container_id: id });
    await this.call('RemovePodSandbox', { pod_sandbox_id: sandboxId });
  }

  async call(rpc: string, request: object): Promise<Buffer> {
    const bytes = this.#encode(rpc, request);
    const beganMs = performance.now();
    const reply = await this.#cri.call(rpc, bytes);
    this.#note(rpc, performance.now() - beganMs);
    return reply;
  }
}

/** The work for each index, by `CALLERS` clients with a connection each. */
export async function eachWorker(
  peer: RunningPeer,
  count: number,
  note: Note,
  work: (worker: Worker, index: number) => Promise<void>,
): Promise<void> {
  const encode = requestEncoder();
  const idle = Array.from({ length: CALLERS }, () => new Worker(peer, encode, note));
  const all = [...idle];
  try {
    await forEachLimited(Array.from({ length: count }).keys(), CALLERS, async (index) => {
      const worker = idle.pop();
      if (worker === undefined) throw new Error('more callers than clients');
      try {
        await work(worker, index);
      } finally {
        idle.push(worker);
      }
    });
  } finally {
    for (const worker of all) worker.close();
  }
}
