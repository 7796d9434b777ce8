import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { readConfigFolder, type FolderContent } from '../../../../src/network/cni/config-folder.js';
import { KeptContent } from '../../../../src/network/cni/kept-content.js';
import { until } from '../../../support/until.js';

/** As if all that is there had been there for long. */
const muchLaterMs = (): number => Date.now() + 60_000;

describe('the kept content of a configuration folder', () => {
  let root = '';
  let confDir = '';
  let file = '';
  let plugin = '';
  let binDirs: string[] = [];
  let kept: KeptContent;
  let readings = 0;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'cni-kept-'));
    confDir = join(root, 'net.d');
    file = join(confDir, '20.conf');
    binDirs = [join(root, 'bin1'), join(root, 'bin2')];
    plugin = join(root, 'bin2', 'bridge');
    await Promise.all([confDir, ...binDirs].map((dir) => mkdir(dir)));
    await writeFile(plugin, '', { mode: 0o755 });
    await writeFile(file, conf('one'));
    readings = 0;
    kept = new KeptContent(confDir, muchLaterMs);
  });
  afterEach(() => rm(root, { recursive: true }));

  const conf = (name: string, type = 'bridge'): string => JSON.stringify({ cniVersion: '1.0.0', name, type });

  const read = async (): Promise<FolderContent> => {
    readings += 1;
    return readConfigFolder(confDir, binDirs);
  };
  const get = (): Promise<FolderContent> => kept.get(read);
  const name = async (): Promise<string | undefined> => (await get()).network?.config.name;

  /** The first reading shows what to look at, the second is held between two looks, and kept. */
  const keep = async (): Promise<void> => {
    const first = await get();
    const second = await get();
    assert.deepEqual(second, first);
    readings = 0;
    assert.equal(await get(), second);
    assert.equal(readings, 0, 'the content is kept');
    await nextTick();
  };

  /** What is written from now on has another time than what was written before, however coarse the kernel's clock. */
  const nextTick = async (): Promise<void> => {
    const newestNs = [confDir, file, plugin]
      .map((path) => statSync(path, { bigint: true, throwIfNoEntry: false })?.ctimeNs ?? 0n)
      .reduce((a, b) => (a > b ? a : b));
    const probe = join(root, 'probe');
    await until('the next tick of the clock of files', async () => {
      await writeFile(probe, '');
      return statSync(probe, { bigint: true }).ctimeNs > newestNs;
    });
  };

  it('is read again after an edit in place of the same size, even with the time of before', async () => {
    await keep();
    const { size, mtime, atime, ino } = statSync(file);
    await writeFile(file, conf('two'));
    await utimes(file, atime, mtime);
    const edited = statSync(file);
    assert.deepEqual([edited.size, edited.ino], [size, ino]);
    assert.equal(await name(), 'two');
    assert.equal(await name(), 'two');
  });

  it('is read again when another file takes the place', async () => {
    const [next, atime] = [join(root, 'next'), new Date(0)];
    await writeFile(next, conf('two'));
    await utimes(next, atime, atime);
    await keep();
    await rename(next, file);
    assert.equal(await name(), 'two');
  });

  it('is read again when a link leads to another file that has long been there', async () => {
    await mkdir(join(root, 'old'));
    await mkdir(join(root, 'new'));
    await writeFile(join(root, 'old', 'conf'), conf('one'));
    await writeFile(join(root, 'new', 'conf'), conf('two'));
    await symlink('old', join(root, 'current'));
    await rm(file);
    await symlink('../current/conf', file);
    await keep();
    await rm(join(root, 'current'));
    await symlink('new', join(root, 'current'));
    assert.equal(await name(), 'two');
  });

  it('is read again when a file that comes before is added, and when it goes', async () => {
    await keep();
    await writeFile(join(confDir, '10.conf'), conf('before'));
    assert.equal(await name(), 'before');
    await keep();
    await rm(join(confDir, '10.conf'));
    assert.equal(await name(), 'one');
  });

  it('is read again when a folder gives way to a file of its name', async () => {
    await mkdir(join(confDir, '10.conf'));
    await keep();
    await rm(join(confDir, '10.conf'), { recursive: true });
    await writeFile(join(confDir, '10.conf'), conf('before'));
    assert.equal(await name(), 'before');
  });

  it('is read again when the configuration goes, and the folder with it, and when they come', async () => {
    await keep();
    await rm(file);
    assert.equal(await name(), undefined);
    await rm(confDir, { recursive: true });
    assert.deepEqual(await get(), { network: undefined, problems: [] });
    await mkdir(confDir);
    assert.equal(await name(), undefined);
    await writeFile(file, conf('two'));
    assert.equal(await name(), 'two');
  });

  it('is read again when a plugin is removed, added, or may be run no longer', async () => {
    const reason = `plugin bridge is not installed in ${binDirs.join(', ')}`;
    const missing = { network: undefined, problems: [{ path: file, reason }] };
    await keep();
    await rm(plugin);
    assert.deepEqual(await get(), missing);
    await writeFile(plugin, '', { mode: 0o755 });
    assert.equal(await name(), 'one');
    await keep();
    await chmod(plugin, 0o644);
    assert.deepEqual(await get(), missing);
    await chmod(plugin, 0o755);
    assert.equal(await name(), 'one');
    await keep();
    await rm(plugin);
    await writeFile(join(root, 'bin1', 'bridge'), '', { mode: 0o755 });
    assert.deepEqual((await get()).network?.programs, [join(root, 'bin1', 'bridge')]);
  });

  it('is not kept while a file has just changed, or is from the future', async () => {
    kept = new KeptContent(confDir);
    for (const expected of ['two', 'six', 'ten', 'one']) {
      await writeFile(file, conf(expected)); // of one size, and maybe in one tick
      assert.equal(await name(), expected);
      assert.equal(await name(), expected);
    }
    assert.equal(readings, 8);
    const tomorrow = new Date(Date.now() + 86_400_000);
    await utimes(plugin, tomorrow, tomorrow);
    kept = new KeptContent(confDir, muchLaterMs);
    for (let count = 0; count < 4; count += 1) await get();
    assert.equal(readings, 12);
  });

  it('is not kept when a file changes while it is read', async () => {
    await get();
    await nextTick();
    const content = await kept.get(async () => {
      const old = await read();
      await writeFile(file, conf('two'));
      return old;
    });
    assert.equal(content.network?.config.name, 'one');
    assert.equal(await name(), 'two');
  });

  it('is not kept with a problem: the next try may go well', async () => {
    await writeFile(join(confDir, '10.conf'), conf('absent', 'absent'));
    for (let count = 0; count < 4; count += 1) {
      const { network, problems } = await get();
      assert.deepEqual([network?.config.name, problems.length], ['one', 1]);
    }
    assert.equal(readings, 4);
  });

  it('is not kept when it is made of very many files', async () => {
    const plugins = Array.from({ length: 70 }, (_, index) => ({ type: `bridge${index}` }));
    for (const { type } of plugins) await writeFile(join(root, 'bin2', type), '', { mode: 0o755 });
    await writeFile(
      join(confDir, '10.conflist'),
      JSON.stringify({ cniVersion: '1.0.0', name: 'many', plugins }),
    );
    for (let count = 0; count < 4; count += 1) assert.equal(await name(), 'many');
    assert.equal(readings, 4);
  });

  it('serves callers at the same time', async () => {
    await keep();
    await writeFile(file, conf('two'));
    const names = await Promise.all([name(), name(), name()]);
    assert.deepEqual(names, ['two', 'two', 'two']);
    await keep();
  });
});
