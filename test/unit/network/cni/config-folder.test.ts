import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { readConfigFolder } from '../../../../src/network/cni/config-folder.js';

describe('readConfigFolder', () => {
  let root = '';
  let confDir = '';
  let binDirs: string[] = [];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'cni-folder-'));
    confDir = join(root, 'net.d');
    binDirs = [join(root, 'bin1'), join(root, 'bin2')];
    await Promise.all([confDir, ...binDirs].map((dir) => mkdir(dir)));
    await writeFile(join(root, 'bin2', 'bridge'), '', { mode: 0o755 });
  });
  afterEach(() => rm(root, { recursive: true }));

  const put = (name: string, content: unknown): Promise<void> =>
    writeFile(join(confDir, name), typeof content === 'string' ? content : JSON.stringify(content));
  const conf = (name: string, type = 'bridge'): object => ({ cniVersion: '1.0.0', name, type });

  it('takes the first sound file by name and tells what is wrong with those before it', async () => {
    await put('40-last.conf', conf('last'));
    await put('30-good.conflist', { cniVersion: '1.0.0', name: 'good', plugins: [{ type: 'bridge' }] });
    await put('20-no-plugin.json', conf('no-plugin', 'calico'));
    await put('10-broken.conf', '{"name":');
    await put('05-ignored.conf.bak', 'x');
    await mkdir(join(confDir, '01-folder.conf'));
    const { network, problems } = await readConfigFolder(confDir, binDirs);
    assert.equal(network?.path, join(confDir, '30-good.conflist'));
    assert.equal(network.config.name, 'good');
    assert.deepEqual(
      problems.map(({ path }) => path),
      [join(confDir, '10-broken.conf'), join(confDir, '20-no-plugin.json')],
    );
    assert.match(problems[0]?.reason ?? '', /JSON/);
    assert.equal(problems[1]?.reason, `plugin calico is not installed in ${binDirs.join(', ')}`);
  });

  it('does not count a plugin that is not executable', async () => {
    await put('10.conf', conf('net'));
    await chmod(join(root, 'bin2', 'bridge'), 0o644);
    const { network, problems } = await readConfigFolder(confDir, binDirs);
    assert.equal(network, undefined);
    assert.equal(problems.length, 1);
  });

  it('takes a folder that is not there as empty', async () => {
    assert.deepEqual(await readConfigFolder(join(root, 'nowhere'), binDirs), {
      network: undefined,
      problems: [],
    });
  });

  it('tells when the folder is none', async () => {
    await writeFile(join(root, 'file'), '');
    const { problems } = await readConfigFolder(join(root, 'file'), binDirs);
    assert.match(problems[0]?.reason ?? '', /ENOTDIR/);
  });
});
