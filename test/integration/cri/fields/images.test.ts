import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { noEngine, testDockerEndpoint } from '../../../support/cridock-process.js';
import { busyboxTar, makeImage, makeUniqueImage, tagImage } from '../../../support/images.js';
import { TinyRegistry } from '../../../support/tiny-registry.js';
import { refusal, TestNode } from '../../../support/test-node.js';
import { until } from '../../../support/until.js';

const SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
const NUMERIC = 'cridock.test/fields:numeric';
const NAMED = 'cridock.test/fields:named';
/** More than the busybox that every test image holds. */
const LEAST_BYTES = 500_000;
/** Of the image that is counted. */
const FILES = 300;

describe('images', { skip: noEngine }, () => {
  let node: TestNode;

  before(async () => {
    await makeImage(SOCKET, NUMERIC, { USER: '1000:7' }, {});
    await makeImage(SOCKET, NAMED, { USER: 'nobody' }, {});
    node = await TestNode.start(['--pinned-image=cridock.test/fields:named']);
  });
  after(async () => {
    await node.close();
  });
  const service = () => node.cridock.client.image;

  it('uid, username, pinned, repo_tags and size, alike in ListImages and ImageStatus', async () => {
    const { images } = await service().ListImages({});
    for (const [name, uid, username, pinned] of [
      [NUMERIC, '1000', '', false],
      [NAMED, undefined, 'nobody', true],
    ] as const) {
      const { image } = await service().ImageStatus({ image: { image: name, annotations: { a: 'b' } } });
      assert.ok(image);
      assert.deepEqual([image.uid?.value, image.username, image.pinned], [uid, username, pinned]);
      assert.deepEqual(image.repo_tags, [name]);
      assert.ok(Number(image.size) > LEAST_BYTES, image.size);
      assert.deepEqual(
        images.find(({ id }) => id === image.id),
        image,
      );
    }
  });

  it('ImageStatus: by name, id, short id; info when verbose; no image for an unknown one', async () => {
    const idOf = async (image: string) => (await service().ImageStatus({ image: { image } })).image?.id;
    const id = await idOf(NUMERIC);
    assert.ok(id);
    assert.equal(await idOf(id), id);
    assert.equal(await idOf(id.slice(7, 19)), id);
    assert.equal(await idOf('none-such:1'), undefined);
    const { info } = await service().ImageStatus({ image: { image: NUMERIC }, verbose: true });
    const { imageSpec } = JSON.parse(info['info'] ?? '') as { imageSpec: { config: { User: string } } };
    assert.equal(imageSpec.config.User, '1000:7');
  });

  it('ListImages with a filter', async () => {
    const { images } = await service().ListImages({ filter: { image: { image: NAMED } } });
    assert.deepEqual(
      images.map(({ repo_tags }) => repo_tags),
      [[NAMED]],
    );
  });

  it("PullImage: image_ref is the image's id everywhere; sandbox_config changes nothing", async () => {
    const registry = await TinyRegistry.start(await busyboxTar(`pulled by ${process.pid}`));
    try {
      const image = { image: `${registry.host}/fields:good` };
      const { image_ref: id } = await service().PullImage({ image, sandbox_config: { hostname: 'x' } });
      const { image: found } = await service().ImageStatus({ image });
      assert.equal(found?.id, id);
      assert.equal(found.spec, null, 'nobody annotates it');
      assert.deepEqual(found.repo_digests, [`${registry.host}/fields@${registry.digest}`]);
      const pod = await node.pod();
      const { id: container } = await node.start(pod, {
        image: { image: id, user_specified_image: image.image },
      });
      const status = await node.status(container);
      assert.equal(status.image_id, id);
      assert.equal(status.image?.image, image.image);
      await node.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
      await service().RemoveImage({ image });
    } finally {
      await registry.close();
    }
  });

  it('of an image with a long config no container has the long labels, and none is made where the rest is too long', async () => {
    const tar = await busyboxTar(`configured by ${process.pid}`);
    const labels = { long: 'x'.repeat(8_000_000), short: 'y', 'io.cridock.image': 'z'.repeat(5_000) };
    const many = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`${index}`, 'x'.repeat(4_000)]),
    );
    const variables = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => `V${index}=${'x'.repeat(4_000)}`);
    for (const [config, short] of [
      [{ Labels: labels, Env: variables(50) }, 'y'],
      [{ Labels: { ...labels, ...many } }, ''],
      [{ Labels: labels, Env: variables(300) }, undefined],
    ] as const) {
      const registry = await TinyRegistry.start(tar, config);
      try {
        const image = { image: `${registry.host}/configured:good` };
        const { image_ref: id } = await service().PullImage({ image });
        const pod = await node.pod();
        const making = node.create(pod, { image: { image: id, user_specified_image: image.image } });
        if (short === undefined) {
          const { code, text } = await refusal(making);
          assert.equal(code, 'FAILED_PRECONDITION');
          assert.match(
            text,
            /config\.image\.image: .*\/configured:good would take 12\d{5} bytes of each container/,
          );
        } else {
          const { Config: made } = await node.engine.inspectContainer(await making);
          assert.deepEqual([made.Labels?.['long'], made.Labels?.['short']], ['', short]);
          const { image: named } = await node.status(await making);
          assert.equal(named?.image, image.image, "cridock's own label is what it wrote");
          await node.runtime.StartContainer({ container_id: await making });
        }
        await node.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
        await service().RemoveImage({ image });
      } finally {
        await registry.close();
      }
    }
  });

  it('RemoveImage removes the image under all its names', async () => {
    await makeUniqueImage(SOCKET, 'cridock.test/fields:gone');
    await service().RemoveImage({ image: { image: 'cridock.test/fields:gone' } });
    assert.equal((await service().ImageStatus({ image: { image: 'cridock.test/fields:gone' } })).image, null);
  });

  it('RemoveImage leaves alone what a container of a pod uses, an ended one and under several names too', async () => {
    const names = ['cridock.test/used:1', 'cridock.test/used:2'];
    const registry = await TinyRegistry.start(await busyboxTar(`used by ${process.pid}`));
    try {
      const image = { image: `${registry.host}/used:good` };
      const { image_ref: imageId } = await service().PullImage({ image });
      await tagImage(SOCKET, image.image, names);
      const pod = await node.pod();
      const id = await node.create(pod, { image: { image: imageId }, run: 'true' });
      const inUse = async (): Promise<void> => {
        for (const reference of [imageId, image.image, names[0] ?? '']) {
          const refused = await refusal(service().RemoveImage({ image: { image: reference } }));
          assert.equal(refused.code, 'FAILED_PRECONDITION');
          assert.ok(refused.text.includes(id), refused.text);
        }
        const { image: kept } = await service().ImageStatus({ image: { image: imageId } });
        assert.deepEqual(kept?.repo_tags.sort(), [image.image, ...names].sort());
        const [listed] = (await node.runtime.ListContainers({ filter: { id } })).containers;
        assert.deepEqual([listed?.image_ref, listed?.image_id], [imageId, imageId]);
      };
      await inUse();
      await node.runtime.StartContainer({ container_id: id });
      await node.ended(id);
      await inUse();
      await node.runtime.RemoveContainer({ container_id: id });
      await service().RemoveImage({ image: { image: imageId } });
      assert.equal((await service().ImageStatus({ image: { image: imageId } })).image, null);
    } finally {
      await registry.close();
    }
  });

  it('ImageFsInfo: a mountpoint that is there, used_bytes and inodes_used of the images', async () => {
    const info = async () => {
      const reply = await service().ImageFsInfo({});
      assert.deepEqual(reply.container_filesystems, [], 'containers are on the same filesystem');
      return reply.image_filesystems[0];
    };
    const filesystem = await info();
    const mountpoint = filesystem?.fs_id?.mountpoint ?? '';
    assert.ok(Number(filesystem?.used_bytes?.value) > LEAST_BYTES);
    assert.ok(BigInt(filesystem?.timestamp ?? 0) > 0n);
    assert.ok(execFileSync('df', [mountpoint]).length > 0);
    const inodes = async () => Number((await info())?.inodes_used?.value);
    await until('the images are counted', async () => (await inodes()) > 0, 60_000);
    const before = await inodes();
    assert.ok(before < statfsSync(mountpoint).files);
    const files = Object.fromEntries(Array.from({ length: FILES }, (_, index) => [`many/${index}`, '']));
    const registry = await TinyRegistry.start(await busyboxTar(`counted by ${process.pid}`, files));
    const image = { image: `${registry.host}/counted:good` };
    try {
      await service().PullImage({ image });
      await until('its files are counted', async () => (await inodes()) >= before + FILES, 60_000);
    } finally {
      await service().RemoveImage({ image });
      await registry.close();
    }
    await until('they are gone', async () => (await inodes()) < before + FILES, 60_000);
  });
});
