import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  emptiedLabels,
  MAX_COPIED_BYTES,
  MAX_LISTED_BYTES,
} from '../../../../src/convert/image/copied-config.js';
import type { ImageInspect } from '../../../../src/docker/types.js';
import { Code } from '../../../../src/util/cri-error.js';

const image = (config: ImageInspect['Config']): ImageInspect => ({ Id: 'sha256:0', Size: 1, Config: config });
/** Labels of 4,000 bytes each. */
const labelsOf = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index}`, 'x'.repeat(4000)]));
const check = (config: ImageInspect['Config']): Record<string, string> =>
  emptiedLabels('config.image.image', 'a:1', image(config));

describe("an image's config in its containers", () => {
  it('is copied without the values of labels that are longer than 4 KiB with their keys', () => {
    const labels = { short: 'x'.repeat(4091), long: 'ü'.repeat(2047), ['k'.repeat(5000)]: '' };
    assert.deepEqual(check({ Labels: labels }), { long: '', ['k'.repeat(5000)]: '' });
    for (const config of [null, undefined, {}, { Labels: null }]) assert.deepEqual(check(config), {});
  });

  it('is copied without the values of all labels where too much would be copied with the short ones', () => {
    assert.deepEqual(check({ Labels: labelsOf(32) }), {});
    const many = labelsOf(33);
    const none = Object.fromEntries(Object.keys(many).map((key) => [key, '']));
    assert.deepEqual(check({ Labels: many }), none);
    check({ Labels: many });
    const few = { Labels: { a: 'x'.repeat(200) }, Env: ['x'.repeat(MAX_COPIED_BYTES - 150)] };
    assert.deepEqual(check(few), { a: '' });
    check(few);
  });

  it('is taken as real images have it', () => {
    const labels = { 'io.buildpacks.build.metadata': 'x'.repeat(500_000) };
    const ports = Object.fromEntries(
      Array.from({ length: 16_384 }, (_, index) => [`${49_152 + index}/udp`, {}]),
    );
    const variables = Array.from({ length: 50 }, (_, index) => `V${index}=${'x'.repeat(4000)}`);
    for (const config of [
      null,
      undefined,
      { Env: ['PATH=/bin'], Labels: labels },
      { Env: variables },
      { ExposedPorts: ports },
    ])
      check(config);
  });

  it('is refused where its volumes are too many, of each of which Docker tells at length', () => {
    const volumes = (count: number): ImageInspect['Config'] => ({
      Volumes: Object.fromEntries(Array.from({ length: count }, (_, index) => [`/v${index}`, {}])),
    });
    check(volumes(400));
    assert.throws(() => check(volumes(450)), {
      code: Code.FAILED_PRECONDITION,
      message: /would take 13\d{4} bytes of each list/,
    });
  });

  it('is refused where what is listed is too long together, in bytes, with the name and the size', () => {
    const half = 'ü'.repeat(MAX_LISTED_BYTES / 4);
    check({ Cmd: [half.slice(100)] });
    for (const config of [
      { Cmd: [half], Entrypoint: [half] },
      { Volumes: { [half]: {}, a: {} }, Cmd: [half] },
      { Labels: { [half + half]: '' } },
    ])
      assert.throws(() => check(config), {
        code: Code.FAILED_PRECONDITION,
        message: /^config\.image\.image: the config of a:1 would take 13\d{4} bytes of each list/,
      });
  });

  it('is refused where all that is copied is too long together', () => {
    const half = 'ü'.repeat(MAX_COPIED_BYTES / 4);
    check({ Env: [half, half.slice(100)] });
    for (const config of [
      { Env: [half], User: half },
      { Env: [half], ExposedPorts: { [half]: {} } },
    ])
      assert.throws(() => check(config), {
        code: Code.FAILED_PRECONDITION,
        message: /^config\.image\.image: the config of a:1 would take 104\d{4} bytes of each container/,
      });
  });
});
