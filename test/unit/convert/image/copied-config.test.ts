import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkCopied, emptiedLabels, MAX_COPIED_BYTES } from '../../../../src/convert/image/copied-config.js';
import type { ImageInspect } from '../../../../src/docker/types.js';
import { Code } from '../../../../src/util/cri-error.js';

const image = (config: ImageInspect['Config']): ImageInspect => ({ Id: 'sha256:0', Size: 1, Config: config });

describe("an image's config in its containers", () => {
  it('is copied without the values of labels that are longer than 4 KiB with their keys', () => {
    const labels = { short: 'x'.repeat(4091), long: 'ü'.repeat(2047), ['k'.repeat(5000)]: '' };
    assert.deepEqual(emptiedLabels(image({ Labels: labels })), { long: '', ['k'.repeat(5000)]: '' });
    for (const config of [null, undefined, {}, { Labels: null }])
      assert.deepEqual(emptiedLabels(image(config)), {});
  });

  it('is taken as real images have it', () => {
    const labels = { 'io.buildpacks.build.metadata': 'x'.repeat(500_000) };
    for (const config of [null, undefined, { Env: ['PATH=/bin'], Labels: labels }])
      checkCopied('config.image.image', 'a:1', image(config));
  });

  it('is refused where its volumes are too many, of each of which Docker tells at length', () => {
    const volumes = (count: number): ImageInspect['Config'] => ({
      Volumes: Object.fromEntries(Array.from({ length: count }, (_, index) => [`/v${index}`, {}])),
    });
    checkCopied('config.image.image', 'a:1', image(volumes(400)));
    assert.throws(() => checkCopied('config.image.image', 'a:1', image(volumes(450))), {
      code: Code.FAILED_PRECONDITION,
      message: /would take 13\d{4} bytes/,
    });
  });

  it('is refused where all that is copied is too long together, in bytes, with the name and the size', () => {
    const half = 'ü'.repeat(MAX_COPIED_BYTES / 4);
    checkCopied('config.image.image', 'a:1', image({ Env: [half.slice(100)] }));
    const labels = Array.from({ length: 33 }, (_, index): [string, string] => [`${index}`, 'x'.repeat(4000)]);
    for (const config of [
      { Env: [half], User: half },
      { Cmd: [half], Entrypoint: [half] },
      { Volumes: { [half]: {}, a: {} }, ExposedPorts: { [half]: {} } },
      { Labels: Object.fromEntries(labels) },
      { Labels: { [half + half]: '' } },
    ])
      assert.throws(() => checkCopied('config.image.image', 'a:1', image(config)), {
        code: Code.FAILED_PRECONDITION,
        message: /^config\.image\.image: the config of a:1 would take 13\d{4} bytes/,
      });
  });
});
