import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { removeBelow } from '../../../src/checkpoint/remove-below.js';

describe('removeBelow', () => {
  it('removes files and folders, links themselves, and nothing outside', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-remove-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [root, outside] = [join(folder, 'root'), join(folder, 'outside')];
    for (const path of [root, outside, join(root, 'd'), join(root, 'd/e')]) mkdirSync(path);
    for (const path of [join(root, 'f'), join(root, 'd/e/f'), join(outside, 'kept')]) writeFileSync(path, '');
    symlinkSync(outside, join(root, 'link'));
    symlinkSync('../outside', join(root, 'd/up'));
    await removeBelow(root, ['f']);
    await removeBelow(root, ['link', 'kept']);
    await removeBelow(root, ['d', 'up', 'kept']);
    await removeBelow(root, ['none']);
    await removeBelow(root, ['none', 'x']);
    assert.ok(existsSync(join(outside, 'kept')));
    assert.ok(!existsSync(join(root, 'f')));
    await removeBelow(root, ['link']);
    await removeBelow(root, ['d']);
    assert.ok(existsSync(join(outside, 'kept')));
    assert.ok(!existsSync(join(root, 'd')) && !existsSync(join(root, 'link')));
  });
});
