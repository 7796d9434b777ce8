import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ImageInspect, ImageListEntry } from '../../../src/docker/types.js';
import { KnownImages } from '../../../src/images/known-images.js';
import { EngineNews } from '../../../src/state/engine-news.js';
import type { Mirror } from '../../../src/state/mirror.js';
import { Code } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { FakeEngine } from '../../support/fake-engine.js';
import { mirrorOf } from '../../support/mirror-parts.js';
import { until } from '../../support/until.js';

/** An Engine that notes what it was asked, and that may be held up. */
class AskedEngine extends FakeEngine {
  readonly asked: string[] = [];
  /** How much an image's labels take. */
  labelBytes = 0;
  wait: Promise<void> = Promise.resolve();

  override async inspectImage(reference: string): Promise<ImageInspect> {
    this.asked.push(reference);
    const image = await super.inspectImage(reference);
    await this.wait;
    return { ...image, Config: { Labels: { long: 'x'.repeat(this.labelBytes) } } };
  }

  override async listImages(): Promise<ImageListEntry[]> {
    this.asked.push('list');
    const listed = await super.listImages();
    // As Engines tell them, for each image.
    return listed.map((entry) => ({ ...entry, Labels: { long: 'x'.repeat(this.labelBytes) }, ParentId: '' }));
  }
}

describe('KnownImages', () => {
  let engine: AskedEngine;
  let mirror: Mirror;
  let news: EngineNews;
  let images: KnownImages;
  let nowMs: number;

  beforeEach(() => {
    engine = new AskedEngine();
    nowMs = 1_000_000;
    images = new KnownImages(engine, () => nowMs);
    mirror = mirrorOf(engine, { read: () => Promise.resolve(undefined) });
    news = new EngineNews(engine, mirror, silentLogger);
    images.follow(news);
  });
  afterEach(async () => {
    await news.stop();
    await mirror.stop();
  });
  const watched = async (): Promise<void> => {
    mirror.start();
    await until('the events are followed', () => news.isOpen);
  };

  it('asks once for an id, a name and the list, until an event of images', async () => {
    await watched();
    const id = engine.addImage('a:1');
    for (let time = 0; time < 3; time += 1) {
      assert.equal((await images.byId(id))?.Id, id);
      assert.equal((await images.inspectImage('a:1')).Id, id);
      assert.equal((await images.listImages()).length, 1);
      nowMs += 19_000;
    }
    assert.deepEqual(engine.asked, [id, 'a:1', 'list']);
    engine.addImage('b:1');
    assert.equal((await images.listImages()).length, 2);
    await engine.removeImage(id);
    assert.equal(await images.byId(id), undefined);
    await assert.rejects(images.inspectImage('a:1'), { code: Code.NOT_FOUND });
    assert.equal((await images.listImages()).length, 1);
  });

  it('asks again after a minute, whatever the clock of the wall says', async (t) => {
    await watched();
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const id = engine.addImage('a:1');
    await images.byId(id);
    t.mock.timers.setTime(0);
    nowMs += 60_000;
    await images.byId(id);
    assert.deepEqual(engine.asked, [id, id]);
  });

  it('keeps little while no events are followed, and nothing from before they were', async () => {
    const id = engine.addImage('a:1');
    await images.byId(id);
    await images.byId(id);
    assert.deepEqual(engine.asked, [id]);
    nowMs += 2_000;
    await images.byId(id);
    assert.equal(engine.asked.length, 2);
    await watched();
    await images.byId(id);
    assert.equal(engine.asked.length, 3);
    engine.down = true;
    await until('the loss', () => !news.isOpen);
    engine.down = false;
    await until('they are followed again', () => news.isOpen);
    await images.byId(id);
    assert.equal(engine.asked.length, 4);
  });

  it('keeps no more than 32 MiB of images', async () => {
    await watched();
    const ids = ['a:1', 'b:1', 'c:1'].map((name) => engine.addImage(name));
    const ask = async (labelBytes: number): Promise<number> => {
      engine.labelBytes = labelBytes;
      images.forget();
      engine.asked.length = 0;
      for (const id of [...ids, ...ids.toReversed()]) await images.byId(id);
      return engine.asked.length;
    };
    const mebibyte = 1024 * 1024;
    assert.equal(await ask(10 * mebibyte), 3);
    assert.equal(await ask(15 * mebibyte), 4, 'the first of three was let go');
  });

  it('keeps of the list what it is asked for, and no labels', async () => {
    const id = engine.addImage('a:1');
    const [listed] = await images.listImages();
    assert.deepEqual(Object.keys(listed ?? {}).sort(), ['Created', 'Id', 'RepoDigests', 'RepoTags', 'Size']);
    assert.deepEqual([listed?.Id, listed?.RepoTags], [id, ['a:1']]);
  });

  it('does not keep what was on its way when images changed', async () => {
    await watched();
    const id = engine.addImage('a:1');
    let answer = (): void => undefined;
    engine.wait = new Promise((resolve) => (answer = resolve));
    const early = images.byId(id);
    await until('the question', () => engine.asked.length === 1);
    images.forget();
    answer();
    assert.equal((await early)?.Id, id);
    await images.byId(id);
    assert.equal(engine.asked.length, 2);
  });

  it("the daemon's reload brings its facts up to date", async () => {
    await watched();
    const runtimes = (): string[] => Object.keys(mirror.facts?.info.Runtimes ?? {});
    await until('the facts', () => runtimes().length > 0);
    assert.deepEqual(runtimes(), ['runc']);
    engine.reload({ runc: { path: 'runc' }, kata: { path: 'kata' } });
    await until('the new runtime', () => runtimes().includes('kata'));
  });
});
