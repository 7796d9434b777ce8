import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { CriDeps } from '../../../../src/cri/deps.js';
import { removeImage } from '../../../../src/cri/image/remove.js';
import { Picture } from '../../../../src/state/picture.js';
import { Code, CriError } from '../../../../src/util/cri-error.js';
import { silentLogger } from '../../../../src/util/log.js';
import { SharedCalls } from '../../../../src/util/shared-calls.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { until } from '../../../support/until.js';

it('RemoveImage waits for a removal that is under way', async () => {
  const engine = new FakeEngine();
  const id = engine.addImage('busybox:latest');
  let asked = 0;
  let finish = (): void => undefined;
  const removed = new Promise<void>((resolve) => (finish = resolve));
  // As dockerd: while it removes an image it takes it for gone.
  engine.removeImage = async () => {
    asked += 1;
    if (asked > 1) throw new CriError(Code.NOT_FOUND, 'No such image');
    await removed;
  };
  const nothing = { forget: () => undefined };
  const deps = {
    engine,
    images: nothing,
    imageDiskUsage: nothing,
    imageInodes: nothing,
    imageAccounts: nothing,
    imageRemovals: new SharedCalls<void>(),
    mirror: { current: () => Promise.resolve(new Picture()) },
  } as unknown as CriDeps;
  const request = {
    image: { image: id, user_specified_image: '', image_ref: '', runtime_handler: '', annotations: {} },
  };
  const ctx = { rpc: 'RemoveImage', signal: new AbortController().signal, log: silentLogger };
  const ended: number[] = [];
  const calls = [1, 2].map((call) => removeImage(deps, request, ctx).then(() => ended.push(call)));
  await until('a removal', () => asked > 0);
  await new Promise(setImmediate);
  assert.deepEqual([asked, ended], [1, []]);
  finish();
  await Promise.all(calls);
});
