/** The streams of an exec or attach session; CRI: at least one, and with a terminal no stderr. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** What a client that comes with a token is served. */
export type StreamRequest =
  | (WantedStreams & { readonly kind: 'exec'; readonly containerId: string; readonly cmd: readonly string[] })
  | (WantedStreams & { readonly kind: 'attach'; readonly containerId: string })
  | { readonly kind: 'portforward'; readonly sandboxId: string; readonly ports: readonly number[] };

/** Where streaming sessions are served; `streaming/server.ts` implements it. */
export interface StreamingUrls {
  /**
   * An absolute URL that serves this request once, to whom comes within a minute. Throws RESOURCE_EXHAUSTED when too many
   * wait to be used.
   */
  urlFor(request: StreamRequest): string;
  /** Of sessions that are open now. */
  readonly sessionCount: number;
}
