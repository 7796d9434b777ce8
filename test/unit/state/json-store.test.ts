import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { JsonStore } from '../../../src/state/json-store.js';
import { silentLogger } from '../../../src/util/log.js';

describe('JsonStore', () => {
  it('a file that two calls remove is gone when either of them is done', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'json-store-'));
    t.after(() => rm(dir, { recursive: true }));
    const store = new JsonStore<number>({ dir, read: Number, log: silentLogger });
    const id = 'a'.repeat(64);
    await store.set(id, 7);
    const first = store.delete(id);
    await store.delete(id);
    assert.ok(!existsSync(join(dir, id)));
    await first;
    await store.delete(id);
  });
});
