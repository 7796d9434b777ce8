import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { MAX_LISTED_BYTES } from '../../../src/convert/image/copied-config.js';
import type { Engine } from '../../../src/docker/engine.js';
import type { ContainerCreateBody, ImageInspect } from '../../../src/docker/types.js';
import { KnownImages } from '../../../src/images/known-images.js';
import { createOwn, type OwnContainerParts } from '../../../src/images/own-containers.js';
import { Seal } from '../../../src/state/seal.js';
import { Code } from '../../../src/util/cri-error.js';

const IMAGE = `sha256:${'0'.repeat(64)}`;

/** An Engine that has one image, with these labels. */
function engineWith(labels: Record<string, string>) {
  const bodies: ContainerCreateBody[] = [];
  let inspects = 0;
  const engine = {
    inspectImage: (id: string): Promise<ImageInspect> => {
      inspects += 1;
      return Promise.resolve({ Id: id, Size: 1, Config: { Labels: labels } });
    },
    createContainer: (_name: string, body: ContainerCreateBody) => {
      bodies.push(body);
      return Promise.resolve('id');
    },
  } as unknown as Engine;
  const seal = new Seal({ key: createSecretKey(Buffer.alloc(32)) });
  const parts: OwnContainerParts = { engine, images: new KnownImages(engine), seal };
  return { parts, bodies, seal, inspects: () => inspects };
}

describe("a container of cridock's own", () => {
  it("has no value of an image's labels, and its own in their place; a known image is not asked for", async () => {
    const { parts, bodies, seal, inspects } = engineWith({
      long: 'x'.repeat(8_000_000),
      short: 'y',
      'io.kubernetes.docker.type': 'container',
      'io.cridock.scratch': 'z',
      'io.cridock.seal': 'z',
    });
    await createOwn(parts, 'first', 'scratch', IMAGE);
    await createOwn(parts, 'second', 'scratch', IMAGE);
    assert.equal(inspects(), 1);
    const [body] = bodies;
    assert.ok(body);
    assert.deepEqual(body.Labels, {
      long: '',
      short: '',
      'io.kubernetes.docker.type': '',
      'io.cridock.scratch': IMAGE,
      'io.cridock.seal': body.Labels?.['io.cridock.seal'],
    });
    assert.deepEqual(seal.open({ Name: '/first', Config: body })?.labels, { 'io.cridock.scratch': IMAGE });
  });

  it('is not made of an image of which too much would be copied all the same', async () => {
    const { parts, bodies } = engineWith({ ['k'.repeat(MAX_LISTED_BYTES)]: '' });
    await assert.rejects(createOwn(parts, 'first', 'scratch', IMAGE), {
      code: Code.FAILED_PRECONDITION,
      message: /^image: the config of sha256:0+ would take 13\d{4} bytes of each list/,
    });
    assert.deepEqual(bodies, []);
  });
});
