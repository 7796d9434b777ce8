import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { WorkFolders } from '../../../src/checkpoint/work-folders.js';
import { silentLogger } from '../../../src/util/log.js';

describe('WorkFolders', () => {
  it('the next start takes away what a kill has left, and lets the container go on', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-work-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [dir, archives, freezerFile] = [
      join(folder, 'work'),
      join(folder, 'archives'),
      join(folder, 'freezer.state'),
    ];
    mkdirSync(archives);
    writeFileSync(freezerFile, 'frozen');
    const freezer = {
      file: freezerFile,
      freeze: 'frozen',
      thaw: 'thawed',
      isToRepeat: true,
      told: { file: freezerFile, pattern: /frozen/ },
    };
    const folders = new WorkFolders(dir, silentLogger);
    await folders.sweep(); // nothing is there yet
    const { unfinished } = await folders.make(join(archives, 'x.tar'), freezer);
    writeFileSync(unfinished, 'half');
    writeFileSync(join(archives, 'other.tar'), 'whole');
    mkdirSync(join(dir, 'half-made'));
    await new WorkFolders(dir, silentLogger).sweep();
    assert.deepEqual(readdirSync(dir), []);
    assert.deepEqual(readdirSync(archives), ['other.tar']);
    assert.equal(readFileSync(freezerFile, 'utf8'), 'thawed');
  });

  it('a cgroup that is gone does not keep the rest from being taken away', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-work-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const told = { file: join(folder, 'gone'), pattern: /x/ };
    const folders = new WorkFolders(join(folder, 'work'), silentLogger);
    const made = await folders.make(undefined, {
      file: told.file,
      freeze: '1',
      thaw: '0',
      isToRepeat: false,
      told,
    });
    await folders.sweep();
    assert.equal(existsSync(made.path), false);
    assert.equal(existsSync(told.file), false);
  });
});
