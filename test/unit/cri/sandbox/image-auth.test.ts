import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sandboxImageAuth } from '../../../../src/cri/sandbox/image-auth.js';

const SECRET = 's3cret-text';

describe('credentials for the sandbox image', () => {
  let folder: string;
  let path: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'docker-config-'));
    path = join(folder, 'config.json');
    const auths = {
      'other.test': { auth: Buffer.from('a:b').toString('base64') },
      'https://mine.test:5000/v2/': { auth: Buffer.from(`user:${SECRET}`).toString('base64') },
    };
    await writeFile(path, JSON.stringify({ auths, credsStore: 'desktop' }));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  it("are those of the image's registry", async () => {
    const found = await sandboxImageAuth('mine.test:5000/pause:3.10', path);
    assert.equal(Buffer.from(found?.auth ?? '', 'base64').toString(), `user:${SECRET}`);
    assert.equal(await sandboxImageAuth('unknown.test/pause:3.10', path), null);
    assert.equal(await sandboxImageAuth('mine.test:5000/pause:3.10', ''), null);
  });

  it('a file that cannot be used is named, without its content', async () => {
    const broken = join(folder, 'broken.json');
    await writeFile(broken, `{"auths": ${SECRET}`);
    for (const bad of [broken, join(folder, 'missing.json')]) {
      await assert.rejects(sandboxImageAuth('mine.test/pause', bad), (error: Error) => {
        assert.ok(error.message.includes(bad));
        assert.ok(!error.message.includes(SECRET) && !String(error.cause).includes(SECRET));
        return true;
      });
    }
  });
});
