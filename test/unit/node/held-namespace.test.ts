import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { isNamespace, withHeldNamespace } from '../../../src/node/held-namespace.js';

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
    await withHeldNamespace(['/nonexistent', OWN], async (path) => {
      assert.equal(await isNamespace(path), true);
      const seenByAnother = execFileSync('stat', ['-L', '-c', '%i', path], { encoding: 'utf8' }).trim();
      assert.equal(seenByAnother, String(statSync(OWN).ino));
    });
    assert.equal(openFiles(), before);
  });

  it('is let go when the work fails', async () => {
    const before = openFiles();
    await assert.rejects(
      withHeldNamespace([OWN], () => Promise.reject(new Error('failed'))),
      /failed/,
    );
    assert.equal(openFiles(), before);
  });

  it('is nothing that only has its path: a file, or a FIFO, which would keep who opens it waiting', async (t) => {
    const file = join(folder(t), 'file');
    const fifo = join(folder(t), 'fifo');
    writeFileSync(file, '');
    execFileSync('mkfifo', [fifo]);
    assert.equal(await withHeldNamespace([fifo, file], (path) => Promise.resolve(path)), '');
    assert.equal(await withHeldNamespace([], (path) => Promise.resolve(path)), '');
  });
});
