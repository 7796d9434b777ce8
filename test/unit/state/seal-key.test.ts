import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SealKey } from '../../../src/state/seal-key.js';
import { silentLogger } from '../../../src/util/log.js';

describe('SealKey', () => {
  let folder: string;
  before(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'seal-key-')), 'root');
  });
  after(() => rmSync(join(folder, '..'), { recursive: true }));

  const prepared = async (): Promise<SealKey> => {
    const key = new SealKey(folder, silentLogger);
    await key.prepare();
    return key;
  };

  it('is made once, for root alone, and kept', async () => {
    const first = await prepared();
    assert.ok(first.isNew);
    assert.equal(statSync(join(folder, 'seal-key')).mode & 0o777, 0o600);
    const second = await prepared();
    assert.ok(!second.isNew);
    assert.ok(second.key.equals(first.key));
    const reader = new SealKey(folder, silentLogger);
    await reader.read();
    assert.ok(reader.key.equals(first.key));
  });

  it('a damaged one is set aside, and another made', async () => {
    const path = join(folder, 'seal-key');
    const good = readFileSync(path);
    const zeros = Buffer.from(good).fill(0x30, 5);
    for (const damaged of [
      Buffer.alloc(0),
      good.subarray(0, 40),
      zeros,
      Buffer.from('[]'),
      Buffer.alloc(130),
    ]) {
      writeFileSync(path, damaged);
      const key = await prepared();
      assert.ok(key.isNew);
      assert.ok(!readFileSync(path).equals(damaged));
      assert.deepEqual(readdirSync(folder).sort(), ['.corrupt-seal-key', 'seal-key']);
    }
  });

  it('reading makes none', async () => {
    const key = new SealKey(join(folder, 'none'), silentLogger);
    await key.read();
    assert.equal(key.key.symmetricKeySize, 32);
    assert.throws(() => readdirSync(join(folder, 'none')));
  });
});
