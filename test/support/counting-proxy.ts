import { startEngineProxy, type EngineProxy } from './engine-proxy.js';

/** A proxy that takes note of what is asked. */
export interface CountingProxy extends EngineProxy {
  /** The request lines that have passed, in order. */
  readonly requests: readonly string[];
  /** When the last of them passed, as `performance.now()` tells time. */
  readonly lastRequestAtMs: number;
}

/** Passes everything on to the Engine at `enginePath` and takes note of the requests. */
export async function startCountingProxy(enginePath: string, socketPath: string): Promise<CountingProxy> {
  const requests: string[] = [];
  let lastRequestAtMs = 0;
  const proxy = await startEngineProxy(enginePath, socketPath, (client) => {
    client.on('data', (bytes) => {
      for (const [, line] of bytes
        .toString('latin1')
        .matchAll(/^((?:GET|HEAD|POST|PUT|DELETE) \S+) HTTP\/1\.1\r$/gm)) {
        requests.push(line ?? '');
        lastRequestAtMs = performance.now();
      }
    });
  });
  return {
    ...proxy,
    requests,
    get lastRequestAtMs() {
      return lastRequestAtMs;
    },
  };
}
