import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Restores } from '../../../src/checkpoint/restores.js';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { KnownImages } from '../../../src/images/known-images.js';
import { Seal } from '../../../src/state/seal.js';
import { Code } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { EngineServer } from '../../support/engine-server.js';
import { until } from '../../support/until.js';

const NAME = '0'.repeat(32);

describe('the files of a restore', () => {
  it('are given up with the call: an Engine that hangs does not keep the pod', async (t) => {
    const { server, restores } = await prepare(t);
    server.answer = () => undefined;
    const controller = new AbortController();
    const placing = restores.place(NAME, 'id', false, controller.signal);
    await until('the files', () => server.requests.includes('PUT /v1.47/containers/id/archive?path=%2F'));
    controller.abort();
    await assert.rejects(placing, { code: Code.CANCELLED });
    server.answer = (_request, response) => response.end();
    const { images } = await restores.place(NAME, 'id', false, new AbortController().signal);
    assert.match(images, /\/checkpoint$/);
  });
});

/** A checkpoint that was unpacked, on a node with a criu that is only looked for. */
async function prepare(t: TestContext): Promise<{ server: EngineServer; restores: Restores }> {
  const root = mkdtempSync(join(tmpdir(), 'cridock-restores-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'restore', NAME), { recursive: true });
  writeFileSync(join(root, 'restore', NAME, 'rootfs-diff.tar'), 'files');
  writeFileSync(join(root, 'criu'), "#!/bin/sh\necho 'Version: 4.2'\n", { mode: 0o755 });
  const { PATH = '' } = process.env;
  process.env['PATH'] = `${root}:${PATH}`;
  t.after(() => (process.env['PATH'] = PATH));
  const server = await EngineServer.start();
  t.after(() => server[Symbol.asyncDispose]());
  const engine = new DockerodeEngine({ endpoint: server.endpoint, env: {}, log: silentLogger });
  t.after(() => engine.close());
  return {
    server,
    restores: new Restores(
      root,
      { engine, images: new KnownImages(engine), seal: new Seal({ key: createSecretKey(Buffer.alloc(32)) }) },
      silentLogger,
    ),
  };
}
