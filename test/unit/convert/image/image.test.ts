import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imageIdentity } from '../../../../src/convert/image/image-identity.js';
import { criImage } from '../../../../src/convert/image/image.js';
import type { ImageInspect } from '../../../../src/docker/types.js';

const DIGEST_A = `sha256:${'a'.repeat(64)}`;
const DIGEST_B = `sha256:${'b'.repeat(64)}`;
const DIGEST_C = `sha256:${'c'.repeat(64)}`;
const ID = `sha256:${'1'.repeat(64)}`;

describe('criImage', () => {
  it('has full names, the size of the list, and no user', () => {
    const image = criImage({ Size: 300 }, inspect({ Size: 100 }), { isPinned: () => false });
    assert.deepEqual(image, {
      id: ID,
      repo_tags: ['docker.io/library/busybox:1', 'quay.io/a/b:2'],
      repo_digests: [`docker.io/library/busybox@${DIGEST_A}`],
      size: 300,
      pinned: false,
    });
  });

  it('leaves out names that are none', () => {
    const RepoTags = ['<none>:<none>', `busybox@${DIGEST_A}`];
    const image = criImage({ Size: 1 }, inspect({ RepoTags, RepoDigests: ['<none>@<none>'] }), {
      isPinned: () => true,
    });
    assert.deepEqual([image.repo_tags, image.repo_digests, image.pinned], [[], [], false]);
    assert.deepEqual(
      criImage({ Size: 1 }, inspect({ RepoTags: null }), { isPinned: () => false }).repo_tags,
      [],
    );
  });

  it('never has size 0', () => {
    assert.equal(criImage({ Size: 0 }, inspect({}), { isPinned: () => false }).size, 1);
  });

  it('tells the user by number or name', () => {
    const userOf = (User: string) => {
      const { uid, username } = criImage({ Size: 1 }, inspect({ Config: { User } }), {
        isPinned: () => false,
      });
      return uid?.value ?? username;
    };
    assert.equal(userOf(''), undefined);
    assert.equal(userOf('0'), '0');
    assert.equal(userOf('1000:1000'), '1000');
    assert.equal(userOf('www:www'), 'www');
    assert.equal(userOf(':5'), undefined);
  });

  it('is pinned by any of its full names', () => {
    const isPinned = (name: string) => name === 'quay.io/a/b:2';
    assert.equal(criImage({ Size: 1 }, inspect({}), { isPinned }).pinned, true);
  });
});

describe('imageIdentity', () => {
  const digests = {
    RepoDigests: [`busybox@${DIGEST_A}`, `quay.io/a/b@${DIGEST_B}`, `quay.io/a/b@${DIGEST_C}`],
  };

  it("names the user's tag, else the first, else what the user wrote", () => {
    assert.equal(imageIdentity('quay.io/a/b:2', ID, inspect({})).name, 'quay.io/a/b:2');
    assert.equal(imageIdentity('busybox:1', ID, inspect({})).name, 'docker.io/library/busybox:1');
    assert.equal(imageIdentity(ID, ID, inspect({})).name, 'docker.io/library/busybox:1');
    assert.equal(imageIdentity('busybox:gone', ID, inspect({ RepoTags: [] })).name, 'busybox:gone');
    assert.equal(imageIdentity('', ID, undefined).name, ID);
  });

  it("refers to the digest of the user's repository, else the first, else the id", () => {
    const refOf = (reference: string) => imageIdentity(reference, ID, inspect(digests)).ref;
    assert.equal(refOf('busybox:1'), `docker-pullable://busybox@${DIGEST_A}`);
    assert.equal(refOf('quay.io/a/b:2'), `docker-pullable://quay.io/a/b@${DIGEST_B}`);
    assert.equal(refOf(`quay.io/a/b@${DIGEST_C}`), `docker-pullable://quay.io/a/b@${DIGEST_C}`);
    assert.equal(refOf(ID), `docker-pullable://busybox@${DIGEST_A}`);
    assert.equal(imageIdentity('busybox', ID, inspect({ RepoDigests: [] })).ref, `docker://${ID}`);
    assert.equal(imageIdentity('busybox', ID, undefined).ref, `docker://${ID}`);
  });
});

function inspect(change: Partial<ImageInspect>): ImageInspect {
  const RepoTags = ['busybox:1', 'quay.io/a/b:2'];
  return { Id: ID, Size: 1, RepoTags, RepoDigests: [`busybox@${DIGEST_A}`], ...change };
}
