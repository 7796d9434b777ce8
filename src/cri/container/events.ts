import type { ContainerEventResponse } from '../../gen/runtime/v1/ContainerEventResponse.js';
import { ContainerEventType } from '../../gen/runtime/v1/ContainerEventType.js';
import type { Picture } from '../../state/picture.js';
import type { Transition } from '../../state/transitions.js';
import type { CallContext } from '../../util/call-context.js';
import { unlessAborted } from '../../util/unless-aborted.js';
import { containerStatusOf } from '../replies/container-messages.js';
import type { CriDeps } from '../deps.js';
import type { LifeEvent } from '../../events/event-feed.js';
import { sandboxStatusOf } from '../replies/sandbox-messages.js';

const TYPES: Record<Transition, ContainerEventType> = {
  created: ContainerEventType.CONTAINER_CREATED_EVENT,
  started: ContainerEventType.CONTAINER_STARTED_EVENT,
  stopped: ContainerEventType.CONTAINER_STOPPED_EVENT,
  deleted: ContainerEventType.CONTAINER_DELETED_EVENT,
};

type EventDeps = Pick<CriDeps, 'events' | 'heldLimits' | 'mirror'>;

/**
 * Tells of every step of every sandbox and container from now on, until the client leaves (CRI: GetContainerEvents).
 * It goes on while the Engine is away: what happened meanwhile comes when it is back. A reader that falls far behind
 * gets RESOURCE_EXHAUSTED.
 */
export async function* containerEvents(
  deps: EventDeps,
  ctx: CallContext,
): AsyncGenerator<ContainerEventResponse> {
  const reader = deps.events.subscribe();
  let lastNs = 0n;
  try {
    for (;;) {
      const event = reader.take();
      if (event === undefined) {
        await unlessAborted(reader.changed(), ctx.signal);
        continue;
      }
      const nowNs = BigInt(Date.now()) * 1_000_000n;
      lastNs = nowNs > lastNs ? nowNs : lastNs + 1n;
      yield message(deps, deps.mirror.lastKnown, event, lastNs);
    }
  } finally {
    reader.close();
  }
}

/**
 * The statuses are those of the moment of sending, and so is the time: the kubelet keeps the status with the latest
 * time, and must not take a newer one for an old one.
 */
function message(
  deps: EventDeps,
  picture: Picture,
  { id, transition, sandboxId, sandbox: lastSandbox }: LifeEvent,
  atNs: bigint,
): ContainerEventResponse {
  const sandbox = picture.sandboxes.get(sandboxId) ?? lastSandbox;
  return {
    container_id: id,
    container_event_type: TYPES[transition],
    created_at: String(atNs),
    pod_sandbox_status: sandbox === undefined ? null : sandboxStatusOf(sandbox),
    containers_statuses: picture.membersOf(sandboxId).map((member) => containerStatusOf(deps, member)),
  };
}
