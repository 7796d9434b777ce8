import { startEngineProxy, type EngineProxy } from '../../support/engine-proxy.js';

/** A request that the Engine was asked, from its first byte to the first byte of its answer; times of `performance.now()`. */
export interface TimedRequest {
  readonly beganMs: number;
  readonly answeredMs: number;
}

export interface TimedProxy extends EngineProxy {
  /** All that were answered until now, in the order of their answers. */
  readonly requests: readonly TimedRequest[];
}

/** Passes everything on to the Engine at `enginePath`, and takes the time of each request. Streams count to their first byte. */
export async function startTimedProxy(enginePath: string, socketPath: string): Promise<TimedProxy> {
  const requests: TimedRequest[] = [];
  const proxy = await startEngineProxy(enginePath, socketPath, (client, engine) => {
    const open: number[] = [];
    client.on('data', (bytes) => {
      if (/^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(bytes.toString('latin1', 0, 1024))) open.push(performance.now());
    });
    engine.on('data', (bytes) => {
      if (bytes.toString('latin1', 0, 7) !== 'HTTP/1.') return;
      const beganMs = open.shift();
      if (beganMs !== undefined) requests.push({ beganMs, answeredMs: performance.now() });
    });
  });
  return { ...proxy, requests };
}

/** How much of the time between two instants the Engine had something to answer, in milliseconds. */
export function engineMs(requests: readonly TimedRequest[], beganMs: number, endedMs: number): number {
  let [busyMs, untilMs] = [0, beganMs];
  const inside = requests.filter((one) => one.answeredMs > beganMs && one.beganMs < endedMs);
  for (const one of inside.toSorted((a, b) => a.beganMs - b.beganMs)) {
    const fromMs = Math.max(one.beganMs, untilMs);
    const toMs = Math.min(one.answeredMs, endedMs);
    if (toMs <= fromMs) continue;
    busyMs += toMs - fromMs;
    untilMs = toMs;
  }
  return busyMs;
}
