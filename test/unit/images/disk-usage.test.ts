import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ImageDiskUsage } from '../../../src/images/disk-usage.js';
import { FakeEngine } from '../../support/fake-engine.js';

/** An Engine that counts how often it was asked for what images take. */
class CountingEngine extends FakeEngine {
  asked = 0;

  override async imageDiskUsageBytes(): Promise<number> {
    this.asked += 1;
    return super.imageDiskUsageBytes();
  }
}

describe('ImageDiskUsage', () => {
  it('asks once for calls in a row, and anew after an image came or went', async () => {
    const engine = new CountingEngine();
    const usage = new ImageDiskUsage(engine);
    engine.addImage('a:1');
    const [first, second] = await Promise.all([usage.bytes(), usage.bytes()]);
    assert.ok(first > 0);
    assert.deepEqual([second, engine.asked], [first, 1]);
    engine.addImage('b:1');
    usage.forget();
    assert.ok((await usage.bytes()) > first);
    assert.equal(engine.asked, 2);
  });

  it('answers the old figure while a new one is on its way', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
    const engine = new CountingEngine();
    const usage = new ImageDiskUsage(engine);
    const before = await usage.bytes();
    engine.addImage('a:1');
    t.mock.timers.tick(10_000);
    assert.equal(await usage.bytes(), before);
    await new Promise(setImmediate);
    assert.ok((await usage.bytes()) > before);
    assert.equal(engine.asked, 2);
  });

  it('keeps the last figure while the Engine is away, and asks again', async () => {
    const engine = new CountingEngine();
    const usage = new ImageDiskUsage(engine);
    engine.addImage('a:1');
    const bytes = await usage.bytes();
    engine.down = true;
    usage.forget();
    assert.equal(await usage.bytes(), bytes);
    engine.down = false;
    assert.equal(await usage.bytes(), bytes);
    assert.equal(engine.asked, 3);
  });
});
