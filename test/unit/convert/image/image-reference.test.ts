import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  fullName,
  normaliseEngineName,
  parseImageName,
  parseImageReference,
  pullTarget,
} from '../../../../src/convert/image/image-reference.js';
import { assertRefused } from '../refusals.js';

const HEX = '0123456789abcdef'.repeat(4);
const DIGEST = `sha256:${HEX}`;

describe('parseImageName', () => {
  const full: [text: string, expected: string][] = [
    ['busybox', 'docker.io/library/busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['rancher/pause', 'docker.io/rancher/pause'],
    ['docker.io/busybox', 'docker.io/library/busybox'],
    ['index.docker.io/busybox', 'docker.io/library/busybox'],
    ['localhost/busybox', 'localhost/busybox'],
    ['localhost:5000/busybox:x', 'localhost:5000/busybox:x'],
    ['Registry/busybox', 'Registry/busybox'],
    ['registry.k8s.io/pause:3.10', 'registry.k8s.io/pause:3.10'],
    ['[fd00::1]:5000/a/b:c', '[fd00::1]:5000/a/b:c'],
    [`a@${DIGEST}`, `docker.io/library/a@${DIGEST}`],
    [`a:1@${DIGEST}`, `docker.io/library/a:1@${DIGEST}`],
    ['a__b/c.d/e--f', 'docker.io/a__b/c.d/e--f'],
    ['10.0.0.1/x', '10.0.0.1/x'],
  ];
  for (const [text, expected] of full) {
    it(`${text} is ${expected}`, () => assert.equal(fullName(parseImageName(text, 'f')), expected));
  }

  const refused = [
    ...[
      '',
      ' a',
      'a b',
      'No/Capitals:x y',
      'Busybox',
      'docker.io/Foo',
      'a//b',
      '/a',
      'a/',
      ':a',
      'a:',
      'a:::b',
    ],
    ...['a@sha256:00', `a@${DIGEST}0`, 'a@', '@a', 'a_', 'a..b', 'a___b', '-a', 'http://a/b', 'reg:port/a'],
    ...[HEX, `a:${'t'.repeat(129)}`, 'x'.repeat(256), 'a\0b', `docker.io/${HEX}`],
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
      assertRefused(() => parseImageName(text, 'image.image'), 'image.image');
    });
  }
});

describe('parseImageReference', () => {
  it('tells ids from names', () => {
    assert.deepEqual(parseImageReference(DIGEST, 'f'), { name: undefined, idPrefix: HEX });
    assert.deepEqual(parseImageReference(HEX, 'f'), { name: undefined, idPrefix: HEX });
    assert.deepEqual(parseImageReference('sha256:012', 'f'), { name: undefined, idPrefix: '012' });
    assert.equal(parseImageReference('busybox', 'f').idPrefix, undefined);
  });

  it('leaves open what may be either', () => {
    const { name, idPrefix } = parseImageReference('beef', 'f');
    assert.equal(name?.repository, 'library/beef');
    assert.equal(idPrefix, 'beef');
  });
});

describe('image names', () => {
  it('are pulled by one tag or one digest', () => {
    const target = (text: string) => fullName(pullTarget(parseImageName(text, 'f')));
    assert.equal(target('a'), 'docker.io/library/a:latest');
    assert.equal(target('a:1'), 'docker.io/library/a:1');
    assert.equal(target(`a:1@${DIGEST}`), `docker.io/library/a@${DIGEST}`);
  });

  it('of the Engine may be none', () => {
    assert.equal(normaliseEngineName('<none>:<none>'), undefined);
    assert.equal(normaliseEngineName('<none>@<none>'), undefined);
    assert.equal(normaliseEngineName('busybox:latest')?.repository, 'library/busybox');
  });
});
