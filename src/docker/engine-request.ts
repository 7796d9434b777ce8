import type { Readable } from 'node:stream';

/** One HTTP request to the Engine. */
export interface EngineRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Without version prefix; its parts are escaped. */
  path: string;
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  /** Sent as it is in the place of `body`, as a tar archive. It can be sent once. */
  stream?: Readable;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** The answer may take long (pull, stop, events): the request does not count against the connection limit. */
  long?: boolean;
  /**
   * The Engine may keep it waiting for a lock of its one container or exec, as while that is being started, or for a file system that
   * its one container is to have: it does not count against the limit either, which is for what concerns the whole node.
   */
  blocks?: boolean;
}
