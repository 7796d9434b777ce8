import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PullProgress } from '../../../src/docker/pull-progress.js';
import type { PullMessage } from '../../../src/docker/pull-progress.js';

/** Lines of a pull with two layers, as Engine 20.10 to 28 send them (graphdriver store). */
const recorded = [
  '{"status":"Pulling from library/two","id":"latest"}',
  '{"status":"Pulling fs layer","progressDetail":{},"id":"aaaaaaaaaaaa"}',
  '{"status":"Pulling fs layer","progressDetail":{},"id":"bbbbbbbbbbbb"}',
  '{"status":"Downloading","progressDetail":{"current":1000000,"total":4000000},"progress":"[=>  ] 1MB/4MB","id":"aaaaaaaaaaaa"}',
  '{"status":"Downloading","progressDetail":{"current":2000000,"total":6000000},"progress":"[=>  ] 2MB/6MB","id":"bbbbbbbbbbbb"}',
  '{"status":"Verifying Checksum","progressDetail":{},"id":"aaaaaaaaaaaa"}',
  '{"status":"Download complete","progressDetail":{},"id":"aaaaaaaaaaaa"}',
  '{"status":"Download complete","progressDetail":{},"id":"bbbbbbbbbbbb"}',
  '{"status":"Extracting","progressDetail":{"current":32768,"total":4000000},"progress":"[>  ]","id":"aaaaaaaaaaaa"}',
  '{"status":"Pull complete","progressDetail":{},"id":"aaaaaaaaaaaa"}',
  '{"status":"Pull complete","progressDetail":{},"id":"bbbbbbbbbbbb"}',
  '{"status":"Digest: sha256:0123"}',
  '{"status":"Status: Downloaded newer image for two:latest"}',
].map((line) => JSON.parse(line) as PullMessage);

describe('PullProgress', () => {
  it('sums up layers and bytes', () => {
    const progress = new PullProgress();
    assert.equal(progress.toString(), 'no answer from the registry yet');
    const texts = recorded.map((message) => {
      assert.ok(progress.accept(message));
      return progress.toString();
    });
    assert.equal(texts[0], 'Pulling from library/two');
    assert.equal(texts[2], '0 of 2 layers');
    assert.equal(texts[4], '0 of 2 layers, 3 of 10 MB');
    assert.equal(texts[6], '0 of 2 layers, 6 of 10 MB');
    assert.equal(texts[9], '1 of 2 layers, 10 of 10 MB');
    assert.equal(texts.at(-1), '2 of 2 layers, 10 of 10 MB');
  });

  it('waits for the disk alone only between the last download and the last unpacking', () => {
    const progress = new PullProgress();
    const unpacking = recorded.map((message) => {
      progress.accept(message);
      return progress.isUnpacking;
    });
    assert.deepEqual(
      unpacking.map((only, index) => (only ? index : -1)).filter((index) => index >= 0),
      [7, 8, 9],
    );
  });

  it('takes repeated figures for silence, as the containerd store repeats them', () => {
    const progress = new PullProgress();
    const message = { status: 'Downloading', id: 'aaaaaaaaaaaa', progressDetail: { current: 5, total: 10 } };
    assert.equal(progress.accept(message), true);
    assert.equal(progress.accept(message), false);
    assert.equal(progress.accept({ ...message, progressDetail: { current: 6, total: 10 } }), true);
  });

  it('takes a clock for no progress, but for a sign that a layer is being unpacked', () => {
    const progress = new PullProgress();
    const seconds = (current: number) => ({
      status: 'Extracting',
      id: 'aaaaaaaaaaaa',
      progressDetail: { current, units: 's' },
    });
    progress.accept({ status: 'Pulling fs layer', id: 'aaaaaaaaaaaa' });
    progress.accept({ status: 'Pulling fs layer', id: 'bbbbbbbbbbbb' });
    assert.equal(progress.isUnpacking, false);
    assert.equal(progress.accept(seconds(1)), true, 'it has begun');
    assert.equal(progress.accept(seconds(2)), false);
    assert.equal(progress.isUnpacking, true);
    progress.accept({ status: 'Pull complete', id: 'aaaaaaaaaaaa' });
    assert.equal(progress.isUnpacking, false);
  });

  it('counts layers that are there already', () => {
    const progress = new PullProgress();
    progress.accept({ status: 'Already exists', id: 'aaaaaaaaaaaa' });
    assert.equal(progress.toString(), '1 of 1 layers');
    assert.equal(progress.isUnpacking, false);
  });
});
