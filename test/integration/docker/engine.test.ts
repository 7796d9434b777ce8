import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { Code, hasCode } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { engineContract } from '../../support/engine-contract.js';
import { ensureTestImage, makeUniqueImage } from '../../support/images.js';

const endpoint = process.env['CRIDOCK_TEST_DOCKER'] ?? 'unix:///var/run/docker.sock';
const socketPath = endpoint.replace(/^unix:\/\//, '');
const skip = existsSync(socketPath) ? false : `no Docker Engine at ${endpoint}`;

describe('DockerodeEngine on a real Engine', { skip }, () => {
  const open = () => new DockerodeEngine({ endpoint, env: {}, log: silentLogger });

  engineContract(async () => ({
    engine: open(),
    image: await ensureTestImage(socketPath),
    makeImage: async () => {
      const name = `cridock.test/${randomBytes(6).toString('hex')}:1`;
      await makeUniqueImage(socketPath, name);
      return name;
    },
  }));

  it('gives up waiting for a stop with a long grace, and ends it by a shorter one', async () => {
    const engine = open();
    const image = await ensureTestImage(socketPath);
    const name = `cridock-test-${randomBytes(6).toString('hex')}`;
    // As process 1 of its namespace, sleep has no handler for SIGTERM and ignores it.
    const body = {
      Image: image,
      Entrypoint: ['/bin/sleep'],
      Cmd: ['1000'],
      HostConfig: { NetworkMode: 'none' },
    };
    const id = await engine.createContainer(name, body);
    try {
      await engine.startContainer(id);
      const signal = AbortSignal.timeout(300);
      await assert.rejects(engine.stopContainer(id, 100_000, { signal }), (error) =>
        hasCode(error, Code.DEADLINE_EXCEEDED),
      );
      assert.equal((await engine.inspectContainer(id)).State.Running, true);
      await engine.stopContainer(id, 0);
      assert.equal((await engine.inspectContainer(id)).State.Running, false);
    } finally {
      await engine.removeContainer(id);
      engine.close();
    }
  });

  it('removes a container from several callers at once', async () => {
    const engine = open();
    const image = await ensureTestImage(socketPath);
    const name = `cridock-test-${randomBytes(6).toString('hex')}`;
    const body = {
      Image: image,
      Entrypoint: ['/bin/sleep'],
      Cmd: ['1000'],
      HostConfig: { NetworkMode: 'none' },
    };
    const id = await engine.createContainer(name, body);
    await engine.startContainer(id);
    const removals = await Promise.allSettled(Array.from({ length: 8 }, () => engine.removeContainer(id)));
    for (const removal of removals) {
      assert.ok(
        removal.status === 'fulfilled' || hasCode(removal.reason, Code.NOT_FOUND),
        JSON.stringify(removal),
      );
    }
    assert.ok(removals.some(({ status }) => status === 'fulfilled'));
    await assert.rejects(engine.inspectContainer(id), (error) => hasCode(error, Code.NOT_FOUND));
    engine.close();
  });
});
