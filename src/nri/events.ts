import type { PluginMessages } from './messages.js';

/** What is sent for an event, and what comes back: names of messages in src/gen. */
export interface EventKind {
  /** As NRI numbers it. */
  readonly number: number;
  readonly request: string;
  readonly reply: keyof PluginMessages;
  /** Older plugins are told of it by `StateChange`. */
  readonly isStateChange: boolean;
}

const state = (number: number, request: string) => {
  return { number, request, reply: 'Empty', isStateChange: true } as const;
};
const asked = <Reply extends keyof PluginMessages>(number: number, request: string, reply: Reply) => {
  return { number, request, reply, isStateChange: false } as const;
};

/** All events that plugins can subscribe to, by the names of their RPCs. */
export const EVENTS = {
  RunPodSandbox: state(1, 'RunPodSandboxRequest'),
  StopPodSandbox: state(2, 'PodRequest'),
  RemovePodSandbox: state(3, 'PodRequest'),
  CreateContainer: asked(4, 'ContainerRequest', 'CreateContainerResponse'),
  PostCreateContainer: state(5, 'ContainerRequest'),
  StartContainer: state(6, 'ContainerRequest'),
  PostStartContainer: state(7, 'ContainerRequest'),
  UpdateContainer: asked(8, 'UpdateContainerRequest', 'UpdateContainerResponse'),
  PostUpdateContainer: state(9, 'ContainerRequest'),
  StopContainer: asked(10, 'ContainerRequest', 'StopContainerResponse'),
  RemoveContainer: state(11, 'ContainerRequest'),
  UpdatePodSandbox: asked(12, 'UpdatePodSandboxRequest', 'Empty'),
  PostUpdatePodSandbox: state(13, 'PodRequest'),
  ValidateContainerAdjustment: asked(
    14,
    'ValidateContainerAdjustmentRequest',
    'ValidateContainerAdjustmentResponse',
  ),
} as const satisfies Readonly<Record<string, EventKind>>;

export type EventName = keyof typeof EVENTS;

/** What plugins answer an event with. */
export type ReplyTo<Event extends EventName> = PluginMessages[(typeof EVENTS)[Event]['reply']];

const ALL_EVENTS = (1 << 14) - 1;

/** The events that a plugin answers Configure with, as bits; 0 stands for all. Throws an Error for bits of no event. */
export function subscribedEvents(asked: number): number {
  if (asked === 0) return ALL_EVENTS;
  if ((asked & ~ALL_EVENTS) !== 0) throw new Error(`it asks for events that there are not (${asked})`);
  return asked;
}

export function isSubscribed(events: number, name: EventName): boolean {
  return (events & (1 << (EVENTS[name].number - 1))) !== 0;
}
