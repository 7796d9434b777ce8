import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { noEngine } from '../../support/cridock-process.js';
import { deadMount, noDeadMount } from '../../support/dead-mount.js';
import { until } from '../../support/until.js';
import { refusal, TestNode, type TestPod } from '../../support/test-node.js';

/** Those of libuv, on which all files are read and written. */
const THREADS = 4;

describe('a file system of the node that does not answer', { skip: noEngine || noDeadMount }, () => {
  let node: TestNode;
  let pod: TestPod;
  let dead: ReturnType<typeof deadMount>;

  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
    dead = deadMount();
  });
  after(async () => {
    await node.close();
    rmSync(dead.folder, { recursive: true });
  });

  it(
    'is told of who wants to mount it, and keeps no other pod from being made',
    { timeout: 60_000 },
    async () => {
      const paths = Array.from({ length: 2 * THREADS }, (_, index) => `${dead.folder}/${index % 2}`);
      const ask = (path: string): Promise<unknown> =>
        node.create(pod, { mounts: [{ container_path: '/m', host_path: path }] });
      for (const { code, text } of await Promise.all(paths.map((path) => refusal(ask(path))))) {
        assert.equal(code, 'UNAVAILABLE', text);
        assert.match(text, /config\.mounts\[0\]\.host_path: .*does not answer/);
      }
      const folder = `${node.cridock.directory}/other`;
      await node.start(await node.pod(), { mounts: [{ container_path: '/m', host_path: folder }] });
    },
  );

  it('is looked at again once it answers', async () => {
    dead.end();
    const mounts = [{ container_path: '/m', host_path: `${dead.folder}/0` }];
    const made = (): Promise<boolean> =>
      node.create(pod, { mounts }).then(
        () => true,
        () => false,
      );
    await until('it to be looked at', made);
  });
});
