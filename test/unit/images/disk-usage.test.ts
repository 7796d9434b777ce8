import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { EngineInfo } from '../../../src/docker/types.js';
import { ImageDiskUsage } from '../../../src/images/disk-usage.js';
import { KnownImages } from '../../../src/images/known-images.js';
import { FakeEngine } from '../../support/fake-engine.js';

/** An Engine that counts how often it was asked for what images take, and how often at a time. */
class CountingEngine extends FakeEngine {
  asked = 0;
  atATime = 0;
  mostAtATime = 0;

  override async imageDiskUsageBytes(): Promise<number> {
    this.asked += 1;
    this.atATime += 1;
    this.mostAtATime = Math.max(this.mostAtATime, this.atATime);
    try {
      const bytes = await super.imageDiskUsageBytes();
      await new Promise(setImmediate);
      return bytes;
    } finally {
      this.atATime -= 1;
    }
  }
}

function usageOf(engine: CountingEngine, nowMs?: () => number, info?: EngineInfo): ImageDiskUsage {
  const facts = info && {
    info,
    negotiated: { apiVersion: '1.41', version: { Version: '', ApiVersion: '1.41' } },
  };
  return new ImageDiskUsage({ engine, images: new KnownImages(engine), mirror: { facts } }, nowMs);
}

describe('ImageDiskUsage', () => {
  it('asks once for calls in a row, and anew after an image came or went', async () => {
    const engine = new CountingEngine();
    const usage = usageOf(engine);
    engine.addImage('a:1');
    const [first, second] = await Promise.all([usage.bytes(), usage.bytes()]);
    assert.ok(first > 0);
    assert.deepEqual([second, engine.asked], [first, 1]);
    engine.addImage('b:1');
    usage.forget();
    assert.ok((await usage.bytes()) > first);
    assert.equal(engine.asked, 2);
  });

  it('answers the old figure while a new one is on its way, whatever the clock of the wall says', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000_000 });
    let nowMs = 1_000_000;
    const engine = new CountingEngine();
    const usage = usageOf(engine, () => nowMs);
    const before = await usage.bytes();
    engine.addImage('a:1');
    t.mock.timers.setTime(0);
    nowMs += 60_000;
    assert.equal(await usage.bytes(), before);
    while (engine.atATime > 0) await new Promise(setImmediate);
    assert.ok((await usage.bytes()) > before);
    assert.equal(engine.asked, 2);
  });

  it('asks no two at a time: what changed meanwhile is asked for afterwards', async () => {
    const engine = new CountingEngine();
    const usage = usageOf(engine);
    const early = usage.bytes();
    engine.addImage('a:1');
    usage.forget();
    const late = usage.bytes();
    assert.deepEqual(await Promise.all([early, late]), [1_000_000, 1_000_000]);
    assert.deepEqual([engine.asked, engine.mostAtATime], [2, 1]);
  });

  it('keeps the last figure while the Engine is away, and asks again', async () => {
    const engine = new CountingEngine();
    const usage = usageOf(engine);
    engine.addImage('a:1');
    const bytes = await usage.bytes();
    engine.down = true;
    usage.forget();
    assert.equal(await usage.bytes(), bytes);
    engine.down = false;
    assert.equal(await usage.bytes(), bytes);
    assert.equal(engine.asked, 3);
  });

  it("before API 1.42 reads the store's own figures, and asks the Engine only where there are none", async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'cridock-layers-'));
    t.after(() => rm(root, { recursive: true }));
    const engine = new CountingEngine('1.41');
    const layers = [await layerOf(engine, 'a:1'), await layerOf(engine, 'b:1')];
    const info = { ...(await engine.info()), DockerRootDir: root };
    const usage = usageOf(engine, undefined, info);
    assert.ok((await usage.bytes()) > 0);
    assert.equal(engine.asked, 1);
    for (const [index, layer] of layers.entries()) {
      const folder = join(root, 'image/overlay2/layerdb/sha256', layer.replace('sha256:', ''));
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'size'), String(100 + index));
    }
    usage.forget();
    assert.equal(await usage.bytes(), 201);
    assert.equal(engine.asked, 1);
  });
});

async function layerOf(engine: FakeEngine, name: string): Promise<string> {
  const { RootFS: root } = await engine.inspectImage(engine.addImage(name));
  return root?.Layers?.[0] ?? createHash('sha256').digest('hex');
}
