import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ProcessCensus } from '../../../src/stats/process-census.js';

const OWN = String(process.pid);

/** Opens so many files until the test's end. */
function openFiles(t: TestContext, count: number): void {
  const opened = Array.from({ length: count }, () => openSync('/dev/null', 'r'));
  t.after(() => opened.forEach((descriptor) => closeSync(descriptor)));
}

/** True while the folder of this process' descriptors is being read. */
function isBeingRead(): boolean {
  return openPaths().includes(`/proc/${OWN}/fd`);
}

function openPaths(): string[] {
  return readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ''; // that of the reading itself
    }
  });
}

describe('ProcessCensus', () => {
  it('counts few files at once', () => {
    const census = new ProcessCensus().of('c', () => ({ pids: [OWN, '0'], openFilesLimit: 7 }));
    assert.equal(census?.openFilesLimit, 7);
    assert.ok(census.descriptors >= 3, `${census.descriptors} descriptors`);
  });

  it('reads a folder of many descriptors in steps, and holds none open that it does not go on with', async (t) => {
    openFiles(t, 3_000);
    const counts = new ProcessCensus();
    const look = () => ({ pids: [OWN], openFilesLimit: undefined });
    assert.equal(counts.of('c', look), undefined);
    assert.equal(isBeingRead(), false);
    let stepsSeen = 0;
    while (counts.of('c', look) === undefined) {
      await turn();
      if (isBeingRead()) stepsSeen += 1;
    }
    assert.ok(stepsSeen > 3, `${stepsSeen} steps`);
    assert.ok((counts.of('c', look)?.descriptors ?? 0) > 3_000);
    assert.equal(isBeingRead(), false);
  });

  it('looks at no more processes than descriptors in a step', async () => {
    const counts = new ProcessCensus();
    let asked = 0;
    const look = () => {
      asked += 1;
      return { pids: Array.from({ length: 2_000 }, () => '0'), openFilesLimit: undefined };
    };
    assert.equal(counts.of('c', look), undefined);
    while (counts.of('c', look) === undefined) await turn();
    assert.deepEqual([counts.of('c', look)?.descriptors, asked], [0, 2]);
  });
});
