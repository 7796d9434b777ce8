import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fullName, parseImageName, parseImageReference } from '../../src/convert/image/image-reference.js';
import { CriError } from '../../src/util/cri-error.js';

const parameters = { seed: 20_261_122, numRuns: 1000 };
const part = fc.stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}$/);
// With a dot in it the first part would be a host.
const firstPart = part.map((text) => text.replaceAll('.', '-'));
const registry = fc.constantFrom(
  '',
  'docker.io/',
  'index.docker.io/',
  'localhost/',
  'a.b:5000/',
  '[fd00::1]:5000/',
  'Big/',
);
const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/), { nil: undefined });
const digest = fc.option(
  fc.stringMatching(/^[a-f0-9]{64}$/).map((hex) => `sha256:${hex}`),
  { nil: undefined },
);
const reference = fc
  .tuple(registry, firstPart, fc.array(part, { maxLength: 2 }), tag, digest)
  .map(
    ([host, first, path, t, d]) =>
      host + [first, ...path].join('/') + (t === undefined ? '' : `:${t}`) + (d === undefined ? '' : `@${d}`),
  );

describe('image references', () => {
  it('that are well formed mean the same in full form', () => {
    const property = fc.property(reference, (text) => {
      const name = parseImageName(text, 'f');
      assert.deepEqual(parseImageName(fullName(name), 'f'), name);
    });
    fc.assert(property, parameters);
  });

  it('of any other text are refused as an invalid argument, or mean the same in full form', () => {
    const noise = fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9.:/@_\-[\]]{0,40}$/));
    const property = fc.property(noise, (text) => {
      try {
        const { name, idPrefix } = parseImageReference(text, 'f');
        if (name) assert.deepEqual(parseImageName(fullName(name), 'f'), name);
        else assert.match(idPrefix ?? '', /^[a-f0-9]{1,64}$/);
      } catch (error) {
        assert.ok(error instanceof CriError && error.message.startsWith('f: '), String(error));
      }
    });
    fc.assert(property, parameters);
  });
});
