import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDockerEndpoint } from '../support/cridock-process.js';
import { median } from './measure.js';
import { Worker } from './peers/calls.js';
import { peers, type Peer } from './peers/servers.js';
import { engineMs, startTimedProxy } from './peers/timed-proxy.js';
import { requestEncoder } from './raw-cri.js';

/** Of one call: how long it took, and how much of that the Engine was not at work. */
interface Share {
  readonly wholeMs: number;
  readonly ownMs: number;
}

const NOT_ON_DOCKER = 'containerd';

/**
 * `node dist/test/bench/engine-share.js [PODS]`: how much of each call is the server's own (CNI plugins included), and how much
 * the Engine's, by a proxy between the two: cridock, and cri-dockerd where CRI_DOCKERD names it. PODS (default 30) pods of one
 * container are made and removed, one call at a time. On a busy machine only the smallest figures tell something.
 */
async function main(): Promise<void> {
  const pods = Number(process.argv[2] ?? 30);
  for (const peer of peers().given.filter(({ name }) => name !== NOT_ON_DOCKER)) {
    console.log(`# ${peer.name}`);
    const shares = await measure(peer, pods);
    const head = ['ms', 'whole: median', 'least', 'own: median', 'least', 'of the Engine: median', 'least'];
    const rows = [...shares].map(([rpc, calls]) => [rpc, ...columns(calls).map((value) => value.toFixed(2))]);
    for (const cells of [head, head.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`);
  }
}

function columns(calls: readonly Share[]): number[] {
  const of = (value: (call: Share) => number): number[] => {
    const values = calls.map(value);
    return [median(values), Math.min(...values)];
  };
  return [
    ...of(({ wholeMs }) => wholeMs),
    ...of(({ ownMs }) => ownMs),
    ...of(({ wholeMs, ownMs }) => wholeMs - ownMs),
  ];
}

async function measure(peer: Peer, pods: number): Promise<Map<string, Share[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'cridock-share-'));
  const proxy = await startTimedProxy(
    testDockerEndpoint.replace(/^unix:\/\//, ''),
    join(folder, 'engine.sock'),
  );
  const shares = new Map<string, Share[]>();
  try {
    const running = await peer.start(proxy.endpoint);
    const worker = new Worker(running, requestEncoder(), (rpc, wholeMs) => {
      const endedMs = performance.now();
      const ownMs = wholeMs - engineMs(proxy.requests, endedMs - wholeMs, endedMs);
      shares.set(rpc, [...(shares.get(rpc) ?? []), { wholeMs, ownMs }]);
    });
    try {
      for (let index = 0; index < pods; index += 1) {
        const pod = await worker.makePod(`share-${index}`, 1);
        await worker.removePod(pod);
        await worker.call('Version', {});
      }
    } finally {
      worker.close();
      await running.stop();
    }
  } finally {
    await proxy.close();
    rmSync(folder, { recursive: true });
  }
  return shares;
}

await main();
