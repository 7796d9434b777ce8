import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.js';
import { noEngine, testDockerEndpoint } from '../../support/cridock-process.js';
import { dockerRequest } from '../../support/docker-request.js';
import { busyboxTar, makeUniqueImage, tagImage } from '../../support/images.js';
import { TestNode } from '../../support/test-node.js';
import { TinyRegistry } from '../../support/tiny-registry.js';
import { until } from '../../support/until.js';

const SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
const MADE = `cridock.test/known-${process.pid}:1`;

describe('what is known of images', { skip: noEngine }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'images-'));
  let proxy: CountingProxy;
  let node: TestNode;

  before(async () => {
    proxy = await startCountingProxy(SOCKET, join(folder, 'engine.sock'));
    node = await TestNode.start([`--docker-endpoint=${proxy.endpoint}`]);
    await until('the events of images are followed', () =>
      proxy.requests.some((line) => line.includes('/events?') && line.includes('daemon')),
    );
  });
  after(async () => {
    await node.close();
    await proxy.close();
    rmSync(folder, { recursive: true });
  });
  const service = () => node.cridock.client.image;
  const askedFor = (what: RegExp, since = 0): string[] =>
    proxy.requests.slice(since).filter((line) => what.test(line));
  const namesOf = async (image: string): Promise<string[]> =>
    (await service().ImageStatus({ image: { image } })).image?.repo_tags.sort() ?? [];

  it('ListImages and ImageStatus ask the Engine nothing while no image comes or goes', async () => {
    const asks = async (): Promise<number> => {
      const before = proxy.requests.length;
      const { images } = await service().ListImages({});
      const { image } = await service().ImageStatus({ image: { image: node.image } });
      assert.ok(images.some(({ id }) => id === image?.id));
      return askedFor(/\/images\//, before).length;
    };
    assert.ok((await asks()) >= 0);
    // Others may make images meanwhile.
    await until('an answer from memory', async () => (await asks()) === 0);
  });

  it('what others do to images is seen', async () => {
    await makeUniqueImage(SOCKET, MADE);
    const listed = async (): Promise<string[]> =>
      (await service().ListImages({})).images.flatMap(({ repo_tags: tags }) => tags);
    await until('the image', async () => (await listed()).includes(MADE));
    assert.deepEqual(await namesOf(MADE), [MADE]);
    const other = MADE.replace(/1$/, '2');
    await tagImage(SOCKET, MADE, [other]);
    await until('its other name', async () => (await namesOf(MADE)).includes(other));
    await node.engine.removeImage((await node.engine.inspectImage(MADE)).Id);
    await until('its end', async () => (await namesOf(other)).length === 0);
    assert.ok(!(await listed()).includes(MADE));
  });

  it('a container is told with the name that it was asked for by, pulled a moment ago', async () => {
    const registry = await TinyRegistry.start(await busyboxTar(`known by ${process.pid}`));
    try {
      const [first, second] = [`${registry.host}/team-a/app:good`, `${registry.host}/team-b/app:good`];
      const pod = await node.pod();
      for (const name of [first, second]) {
        const { image_ref: id } = await service().PullImage({ image: { image: name } });
        const image = { image: id, user_specified_image: name };
        const status = await node.status(await node.create(pod, { image }));
        assert.equal(status.image?.image, name);
        const repository = name.replace(/:good$/, '');
        assert.equal(status.image_ref, `docker-pullable://${repository}@${registry.digest}`);
      }
      await node.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
      await service().RemoveImage({ image: { image: first } });
    } finally {
      await registry.close();
    }
  });

  it('ImageFsInfo: as the Engine counts, and cheap for it', async () => {
    const bytes = async (): Promise<number> =>
      Number((await service().ImageFsInfo({})).image_filesystems[0]?.used_bytes?.value);
    const sum = async (): Promise<number> => {
      const path = `/v${node.engine.negotiated?.apiVersion}/system/df?type=image`;
      const { body } = await dockerRequest(testDockerEndpoint, 'GET', path);
      return (JSON.parse(body) as { LayersSize: number }).LayersSize;
    };
    await until('the same sum', async () => (await bytes()) === (await sum()));
    const before = proxy.requests.length;
    await Promise.all(Array.from({ length: 20 }, bytes));
    const limit = node.engine.supports('1.42') ? 1 : 0;
    assert.ok(askedFor(/\/system\/df/, before).length <= limit);
    // That of Engine 20.10 measures containers and volumes as well, and makes others that are under way fail.
    if (limit === 0) assert.deepEqual(askedFor(/\/system\/df/), []);
  });
});
