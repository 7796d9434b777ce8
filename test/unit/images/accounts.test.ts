import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Engine } from '../../../src/docker/engine.js';
import type { ContainerCreateBody, PathStat } from '../../../src/docker/types.js';
import { ImageAccounts } from '../../../src/images/accounts.js';
import type { Seal } from '../../../src/state/seal.js';

const FILE_BYTES = 4 * 1024 * 1024;

it('ImageAccounts looks into each image once, and keeps no more than 16 MiB of what it found', async () => {
  const looked: string[] = [];
  const parts = {
    images: { inspectImage: (id: string) => Promise.resolve({ Id: id, Size: 1 }) },
    engine: {
      createContainer: (_name: string, { Image: image }: ContainerCreateBody) => {
        looked.push(image);
        return Promise.resolve(image);
      },
      removeContainer: () => Promise.resolve(),
      statPath: (id: string): Promise<PathStat> =>
        Promise.resolve({ name: id, size: sizeOf(id), mode: 0o644, linkTarget: '' }),
      readFile: (id: string) => Promise.resolve(Buffer.alloc(sizeOf(id), 'x')),
    } as unknown as Engine,
    seal: { onto: (_name: string, body: ContainerCreateBody) => body } as unknown as Seal,
  };
  const accounts = new ImageAccounts(parts);
  await accounts.of('small');
  const [once, again] = await Promise.all([accounts.of('large1'), accounts.of('large1')]);
  assert.equal(once, again);
  assert.equal(once.passwd.length, FILE_BYTES);
  await accounts.of('small');
  assert.deepEqual(looked, ['small', 'large1']);
  await accounts.of('large2'); // nothing fits beside these two
  await accounts.of('large1');
  assert.deepEqual(looked, ['small', 'large1', 'large2']);
  await accounts.of('small');
  await accounts.of('large1');
  assert.deepEqual(looked, ['small', 'large1', 'large2', 'small', 'large1']);
  accounts.forget('large1');
  await accounts.of('large1');
  assert.equal(looked.length, 6);
});

function sizeOf(imageId: string): number {
  return imageId.startsWith('large') ? FILE_BYTES : 10;
}
