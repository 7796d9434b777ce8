import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { keptChanges, writeRootfsDiff } from '../../../src/checkpoint/rootfs-diff.js';

describe('the changed files of a container', () => {
  it('leaves out mounts and what the runtime makes, but not what only begins like them', async () => {
    const changes = [
      '/',
      '/dev',
      '/dev/x',
      '/devices',
      '/data/file',
      '/database',
      '/etc/hosts',
      '/etc/motd',
    ].map((Path) => ({
      Kind: 1,
      Path,
    }));
    const kept = await keptChanges(
      [...changes, { Kind: 2, Path: '/gone' }, { Kind: 2, Path: '/data/gone' }],
      ['/data', '/etc/hosts'],
      new AbortController().signal,
    );
    assert.deepEqual(kept, { present: ['./devices', './database', './etc/motd'], deleted: ['/gone'] });
  });

  it('however many there are, all else gets its turn, and a caller that gives up is not kept', async () => {
    const changes = Array.from({ length: 20_000 }, (_, index) => ({ Kind: 1, Path: `/${index}` }));
    const controller = new AbortController();
    let turns = 0;
    const another = (): void => {
      turns += 1;
      if (turns < 10) setImmediate(another);
      else controller.abort(new Error('given up'));
    };
    setImmediate(another);
    await assert.rejects(keptChanges(changes, [], controller.signal), /given up/);
    assert.equal(turns, 10);
  });

  it('writes them as they are, whatever their names, and tells how many are not found', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-diff-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [root, work] = [join(folder, 'root'), join(folder, 'work')];
    for (const path of [root, work, join(root, 'd')]) mkdirSync(path);
    const names = ['-x', 'a\nb', '--owner=5', 'd/f', 'it\'s "q"'];
    for (const name of names) writeFileSync(join(root, name), name);
    symlinkSync('/etc', join(root, 'link'));
    writeFileSync(join(root, 'd/not-changed'), '');
    const present = [...names, 'd', 'link', 'was-no-utf8\ufffd'].map((name) => `./${name}`);
    const { signal } = new AbortController();
    assert.equal(await writeRootfsDiff(root, { present, deleted: ['/x'] }, work, signal), 1);
    const list = execFileSync('tar', ['-tf', join(work, 'rootfs-diff.tar'), '--quoting-style=literal'], {
      encoding: 'utf8',
    });
    assert.deepEqual(list, [...names.map((name) => `./${name}`), './d/', './link', ''].join('\n'));
    assert.equal(readFileSync(join(work, 'deleted.files'), 'utf8'), '["/x"]');
    assert.equal(statSync(join(work, 'rootfs-diff.tar')).mode & 0o777, 0o600);
    const aborted = AbortSignal.abort(new Error('given up'));
    await assert.rejects(writeRootfsDiff(root, { present, deleted: [] }, work, aborted), /given up/);
  });
});
