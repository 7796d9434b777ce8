import type { JsonStore } from '../../state/json-store.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import type { EncodeReply } from '../../util/handler.js';
import { WireWriter, insideOf } from '../../util/wire-writer.js';
import { containerStatusOf } from './container-messages.js';
import { KeptEncodings } from './kept-encodings.js';
import type { HeldLimits } from '../../limits/node-limits.js';
import { sandboxStatusOf } from './sandbox-messages.js';

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
  readonly #heldLimits: JsonStore<HeldLimits>;
  readonly #containers = new WeakMap<ContainerRecord, KeptStatus>();
  readonly #sandboxes: KeptEncodings<SandboxRecord>;
  readonly #writer = new WireWriter();

  constructor(encode: EncodeReply, heldLimits: JsonStore<HeldLimits>) {
    this.#encode = encode;
    this.#heldLimits = heldLimits;
    this.#sandboxes = new KeptEncodings((sandbox) =>
      encode('PodSandboxStatus', { status: sandboxStatusOf(sandbox) }),
    );
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
      this.#writer.bytes(this.#sandboxes.of(sandbox));
      for (const member of members) {
        this.#writer.encoded(CONTAINERS_STATUSES, insideOf(this.container(member)));
      }
      this.#writer.bytes(this.#encode('PodSandboxStatus', { timestamp }));
    });
  }
}
