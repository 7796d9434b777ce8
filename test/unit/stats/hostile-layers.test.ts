import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LayerSizes } from '../../../src/stats/layer-sizes.js';
import { silentLogger } from '../../../src/util/log.js';
import {
  addDepth,
  addFifo,
  addFiles,
  addSparse,
  makeAndDelete,
  makeLayer,
  MIB,
  moveFolders,
  swapLinks,
} from '../../support/hostile-layers.js';
import { until } from '../../support/until.js';

/** `CRIDOCK_HOSTILE_LAYERS_S=300` keeps a million files, and all the rest of it, for that many seconds. */
const FULL_S = Number(process.env['CRIDOCK_HOSTILE_LAYERS_S'] ?? 0);
const [FILES, DEPTH, GOOD_LAYERS] = FULL_S > 0 ? [1_000_000, 5_000, 30] : [30_000, 500, 10];
/** A layer is due after 50 s. */
const OLDEST_MS = 90_000;
const MOST_CPU = 0.01;
const OUTSIDE_BYTES = 64 * MIB;

process.setMaxListeners(0); // each layer is removed at the exit

describe('sizes of layers beside hostile ones', () => {
  it('are there at the first look and stay young, for little CPU time', { timeout: 3_600_000 }, async (t) => {
    const hostile = await hostileLayers(t);
    const good = Array.from({ length: GOOD_LAYERS }, () => goodLayer());
    const layers = new LayerSizes(silentLogger);
    for (const [name, { folder }] of hostile) layers.track(name, folder, true);
    for (const [index, folder] of good.entries()) layers.track(`good-${index}`, folder, true);
    layers.start();
    t.after(() => layers.stop());

    const sizes = () => good.map((_, index) => layers.sizeOf(`good-${index}`));
    await until('all others were measured', () => sizes().every((size) => size !== undefined), 60_000);
    // New layers are measured in one go; from here on there is only the clock's work.
    const begunAtMs = performance.now();
    const cpu = process.cpuUsage();
    while (performance.now() - begunAtMs < FULL_S * 1000) {
      await delay(1_000);
      const oldest = Math.max(...sizes().map((size) => Date.now() - (size?.atMs ?? 0)));
      assert.ok(oldest <= OLDEST_MS, `a size is ${oldest} ms old`);
    }
    for (const size of sizes()) {
      assert.ok(size?.isWhole === true && size.bytes >= MIB && size.bytes < 1.5 * MIB, JSON.stringify(size));
    }
    await until(
      'the hostile ones were looked at',
      () => hostile.every(([name]) => layers.sizeOf(name)),
      60_000,
    );
    for (const [name, { atMost }] of hostile) {
      const size = layers.sizeOf(name);
      assert.ok(size !== undefined && size.bytes <= atMost, `${name}: ${JSON.stringify(size)}`);
      if (FULL_S > 0) t.diagnostic(`${name}: ${JSON.stringify(size)}`);
    }
    if (FULL_S > 0) {
      const { user, system } = process.cpuUsage(cpu);
      const share = (user + system) / 1000 / (performance.now() - begunAtMs);
      t.diagnostic(`${(share * 100).toFixed(2)} % of a core`);
      assert.ok(share <= MOST_CPU, `${share} of a core`);
    }
  });
});

function goodLayer(): string {
  const folder = makeLayer();
  mkdirSync(path.join(folder, 'tmp'));
  writeFileSync(path.join(folder, 'tmp', 'file'), Buffer.alloc(MIB, 1));
  return folder;
}

/** Layers by name, and what they may be told to take at most. */
async function hostileLayers(t: TestContext): Promise<[string, { folder: string; atMost: number }][]> {
  const outside = makeLayer();
  writeFileSync(path.join(outside, 'file'), Buffer.alloc(OUTSIDE_BYTES, 1));
  const [files, deep, links, moves, changes, odd] = Array.from({ length: 6 }, () => makeLayer()) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  addFiles(files, FILES);
  addDepth(deep, DEPTH, 'n'.repeat(255), MIB);
  await swapLinks(t, links, outside);
  await moveFolders(t, moves);
  await makeAndDelete(t, changes);
  addFifo(odd);
  addSparse(odd);
  const folderBytes = 8 * 1024; // with a name of 255 bytes in it
  return [
    ['many files', { folder: files, atMost: FILES * 64 + MIB }],
    ['deep', { folder: deep, atMost: 2 * MIB + DEPTH * folderBytes }],
    ['links', { folder: links, atMost: MIB }],
    ['moves', { folder: moves, atMost: MIB }],
    ['comes and goes', { folder: changes, atMost: MIB }],
    ['odd files', { folder: odd, atMost: MIB }],
  ];
}
