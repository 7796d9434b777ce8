import type { CriDeps } from './deps.js';
import type { ContainerRecord, SandboxRecord } from '../state/records.js';
import type { EncodeReply } from '../util/handler.js';
import { WireWriter, insideOf } from '../util/wire-writer.js';
import { containerStatusOf } from './container-status.js';
import type { HeldLimits } from './node-limits.js';
import { sandboxStatusOf } from './sandbox-status.js';

/** Of PodSandboxStatusResponse. */
const CONTAINERS_STATUSES = 3;

interface KeptStatus {
  readonly reply: Buffer;
  /** Beside the record, what it was made of. */
  readonly held: HeldLimits | undefined;
}

/**
 * Builds the replies of the status calls from encoded statuses that are kept with the records, which are immutable: the
 * kubelet asks for the same ones again and again.
 */
export class StatusReplies {
  readonly #encode: EncodeReply;
  readonly #heldLimits: CriDeps['heldLimits'];
  readonly #containers = new WeakMap<ContainerRecord, KeptStatus>();
  readonly #sandboxes = new WeakMap<SandboxRecord, Buffer>();
  readonly #writer = new WireWriter();

  constructor(encode: EncodeReply, heldLimits: CriDeps['heldLimits']) {
    this.#encode = encode;
    this.#heldLimits = heldLimits;
  }

  /** ContainerStatusResponse without `info`. */
  container(container: ContainerRecord): Buffer {
    const held = this.#heldLimits.get(container.id);
    const kept = this.#containers.get(container);
    if (kept !== undefined && kept.held === held) return kept.reply;
    const status = containerStatusOf({ heldLimits: this.#heldLimits }, container);
    const reply = this.#encode('ContainerStatus', { status });
    this.#containers.set(container, { reply, held });
    return reply;
  }

  /** PodSandboxStatusResponse without `info`, as of now. */
  sandbox(sandbox: SandboxRecord, members: readonly ContainerRecord[]): Buffer {
    const timestamp = String(BigInt(Date.now()) * 1_000_000n);
    return this.#writer.encode(() => {
      this.#writer.bytes(this.#sandboxStatus(sandbox));
      for (const member of members) {
        this.#writer.encoded(CONTAINERS_STATUSES, insideOf(this.container(member)));
      }
      this.#writer.bytes(this.#encode('PodSandboxStatus', { timestamp }));
    });
  }

  #sandboxStatus(sandbox: SandboxRecord): Buffer {
    let reply = this.#sandboxes.get(sandbox);
    if (reply === undefined) {
      reply = this.#encode('PodSandboxStatus', { status: sandboxStatusOf(sandbox) });
      this.#sandboxes.set(sandbox, reply);
    }
    return reply;
  }
}
