import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { HeldNamespaces, isNamespace } from '../../../src/node/held-namespace.js';
import { deferred } from '../../../src/util/deferred.js';

const OWN = '/proc/self/ns/net';
const openFiles = (): number => readdirSync('/proc/self/fd').length;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'netns-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

describe('a namespace that is held', () => {
  it('is found by others on the path that is given, and let go afterwards', async () => {
    const before = openFiles();
    await new HeldNamespaces().with('pod', ['/nonexistent', OWN], async (path) => {
      assert.equal(await isNamespace(path), true);
      const seenByAnother = execFileSync('stat', ['-L', '-c', '%i', path], { encoding: 'utf8' }).trim();
      assert.equal(seenByAnother, String(statSync(OWN).ino));
    });
    assert.equal(openFiles(), before);
  });

  it('is held on when the work fails, for the next attempt, which finds it though its path is gone', async () => {
    const before = openFiles();
    const namespaces = new HeldNamespaces();
    const failed = namespaces.with('pod', [OWN], () => Promise.reject(new Error('failed')));
    await assert.rejects(failed, /failed/);
    assert.equal(openFiles(), before + 1);
    assert.equal(await namespaces.with('another pod', [], (path) => Promise.resolve(path)), '');
    assert.equal(await namespaces.with('pod', [], isNamespace), true);
    assert.equal(openFiles(), before);
    assert.equal(await namespaces.with('pod', [], (path) => Promise.resolve(path)), '');
  });

  it('is one for all who work with it at a time, and lasts as long as the last of them', async () => {
    const before = openFiles();
    const namespaces = new HeldNamespaces();
    const begun = deferred();
    const letGo = deferred();
    const paths: string[] = [];
    const last = namespaces.with('pod', [OWN], async (path) => {
      paths.push(path);
      begun.resolve();
      await letGo.promise;
      return isNamespace(path);
    });
    await begun.promise;
    await namespaces.with('pod', [OWN], async (path) => {
      paths.push(path);
      await Promise.resolve();
    });
    assert.equal(new Set(paths).size, 1);
    assert.equal(openFiles(), before + 1);
    letGo.resolve();
    assert.equal(await last, true);
    assert.equal(openFiles(), before);
  });

  it('is nothing that only has its path: a file, or a FIFO, which would keep who opens it waiting', async (t) => {
    const file = join(folder(t), 'file');
    const fifo = join(folder(t), 'fifo');
    writeFileSync(file, '');
    execFileSync('mkfifo', [fifo]);
    const namespaces = new HeldNamespaces();
    assert.equal(await namespaces.with('pod', [fifo, file], (path) => Promise.resolve(path)), '');
    assert.equal(await namespaces.with('pod', [], (path) => Promise.resolve(path)), '');
  });
});
