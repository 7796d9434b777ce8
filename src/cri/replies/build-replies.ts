import type { HeldLimits } from '../../limits/node-limits.js';
import type { JsonStore } from '../../state/json-store.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import { StatsEntries } from '../../stats/stats-entries.js';
import type { EncodeReply } from '../../util/handler.js';
import { insideOf } from '../../util/wire-writer.js';
import { containerAttributes, containerEntry } from './container-messages.js';
import { EntryList } from './entry-list.js';
import { RuntimeHandlerList } from './runtime-handlers.js';
import { sandboxAttributes, sandboxEntry } from './sandbox-messages.js';
import { StatusReplies } from './status-replies.js';

/** Replies, and parts of them, that are kept with what they are made of, most of them encoded. */
export interface KeptReplies {
  /** Of ListPodSandbox. */
  readonly sandboxListing: EntryList<SandboxRecord>;
  /** Of ListContainers. */
  readonly containerListing: EntryList<ContainerRecord>;
  readonly statusReplies: StatusReplies;
  /** Of Status. */
  readonly runtimeHandlers: RuntimeHandlerList;
  /** The entries of ListPodSandboxStats. */
  readonly sandboxStatsEntries: StatsEntries<SandboxRecord>;
  /** The entries of ListContainerStats. */
  readonly containerStatsEntries: StatsEntries<ContainerRecord>;
}

/** Builds them; `encode` is the server's own encoding of a reply. */
export function buildReplies(encode: EncodeReply, heldLimits: JsonStore<HeldLimits>): KeptReplies {
  return {
    sandboxListing: new EntryList((sandbox) => encode('ListPodSandbox', { items: [sandboxEntry(sandbox)] })),
    containerListing: new EntryList((container) =>
      encode('ListContainers', { containers: [containerEntry(container)] }),
    ),
    statusReplies: new StatusReplies(encode, heldLimits),
    runtimeHandlers: new RuntimeHandlerList(),
    sandboxStatsEntries: new StatsEntries((sandbox) =>
      insideOf(encode('ListPodSandboxStats', { stats: [sandboxAttributes(sandbox)] })),
    ),
    containerStatsEntries: new StatsEntries((container) =>
      insideOf(encode('ListContainerStats', { stats: [containerAttributes(container)] })),
    ),
  };
}
