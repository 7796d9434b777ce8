/** Takes note of what happens, for whoever watches the node; `observability/metrics.ts` implements it. */
export interface MetricsSink {
  /** An RPC was answered; `code` is the name of its gRPC status, such as `OK`. */
  rpc(rpc: string, code: string, durationMs: number): void;
  /** A request to the Engine ended; `code` is `OK` or a CriError's code name. */
  engineCall(operation: string, code: string, durationMs: number): void;
  /** So many bytes of an image came from a registry. */
  imageFetched(bytes: number): void;
  /** A CNI operation (ADD, DEL, CHECK, STATUS, GC) ended. */
  cniOperation(operation: string, code: string, durationMs: number): void;
  /** The picture of sandboxes and containers was read anew; `reason` is a short constant such as `reconnect`. */
  stateResync(reason: string): void;
  /** A resync found this many objects that differed from the picture. */
  stateDivergence(objects: number): void;
  /** A streaming connection was refused; `reason` is a short constant such as `token`. */
  streamingRefused(reason: string): void;
  /** An `exec`, `attach` or `portforward` session is over. */
  streamingSession(kind: string, durationMs: number): void;
  /** An NRI plugin was called; `code` is `OK`, the name of a status, or `LATE`, `GONE` or `GARBAGE` for no answer. */
  nriCall(plugin: string, event: string, code: string, durationMs: number): void;
  /** A step in the life of a sandbox or container, such as `started`, was noted. */
  lifeEvent(transition: string): void;
}

/** Discards everything. */
export const silentMetrics: MetricsSink = {
  rpc: () => undefined,
  engineCall: () => undefined,
  imageFetched: () => undefined,
  cniOperation: () => undefined,
  stateResync: () => undefined,
  stateDivergence: () => undefined,
  streamingRefused: () => undefined,
  streamingSession: () => undefined,
  nriCall: () => undefined,
  lifeEvent: () => undefined,
};
