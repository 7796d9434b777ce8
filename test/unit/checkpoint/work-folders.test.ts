import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
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

/** Nothing is going on any more. */
const notLater = (id: string): never => assert.fail(`later: ${id}`);

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
    const folders = new WorkFolders(dir, silentLogger);
    await folders.sweep(notLater); // nothing is there yet
    const frozen = { containerId: 'c', freezer: { file: freezerFile, thaw: 'thawed' } };
    const { unfinished } = await folders.make(join(archives, 'x.tar'), frozen);
    writeFileSync(unfinished, 'half');
    writeFileSync(join(archives, 'other.tar'), 'whole');
    mkdirSync(join(dir, 'half-made'));
    await new WorkFolders(dir, silentLogger).sweep(notLater);
    assert.deepEqual(readdirSync(dir), []);
    assert.deepEqual(readdirSync(archives), ['other.tar']);
    assert.equal(readFileSync(freezerFile, 'utf8'), 'thawed');
  });

  it('a cgroup that is gone does not keep the rest from being taken away', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-work-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const gone = join(folder, 'gone');
    const folders = new WorkFolders(join(folder, 'work'), silentLogger);
    const frozen = { containerId: 'c', freezer: { file: gone, thaw: '0' } };
    const made = await folders.make(undefined, frozen);
    await folders.sweep(notLater);
    assert.equal(existsSync(made.path), false);
    assert.equal(existsSync(gone), false);
  });

  it('what a cridock of before has left is understood: it did not name the container', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-work-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [freezerFile, unfinished] = [join(folder, 'freezer.state'), join(folder, '.x.tar.1')];
    writeFileSync(freezerFile, 'frozen');
    writeFileSync(unfinished, 'half');
    const work = join(folder, 'work/0123456789abcdef');
    mkdirSync(work, { recursive: true });
    const left = { unfinished, freezer: { file: freezerFile, thaw: 'thawed' } };
    writeFileSync(join(work, 'left.json'), JSON.stringify(left));
    await new WorkFolders(join(folder, 'work'), silentLogger).sweep(notLater);
    assert.equal(readFileSync(freezerFile, 'utf8'), 'thawed');
    assert.equal(existsSync(unfinished) || existsSync(work), false);
  });

  it('what is still going on is not disturbed, and taken away at its end', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-work-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const freezerFile = join(folder, 'freezer.state');
    writeFileSync(freezerFile, 'frozen');
    const folders = new WorkFolders(join(folder, 'work'), silentLogger);
    const frozen = { containerId: 'c', freezer: { file: freezerFile, thaw: 'thawed' } };
    const { path } = await folders.make(undefined, frozen);
    const script = join(path, 'dump.sh');
    writeFileSync(script, 'read -r _\n');
    // As the real one it has a session of its own; what it starts is of that, also without it.
    const process = spawn('sh', [script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    t.after(() => process.kill('SIGKILL'));
    writeFileSync(join(path, 'process'), readFileSync(`/proc/${process.pid}/stat`));
    const later: [string, Promise<void>][] = [];
    await folders.sweep((id, _path, outlast) => later.push([id, outlast()]));
    assert.deepEqual(
      later.map(([id]) => id),
      ['c'],
    );
    assert.equal(existsSync(script), true);
    assert.equal(readFileSync(freezerFile, 'utf8'), 'frozen');
    process.stdin.end();
    await later[0]?.[1];
    assert.equal(existsSync(path), false);
    assert.equal(readFileSync(freezerFile, 'utf8'), 'thawed');
  });

  it('what is left to a process that does not end is taken away at its end, not before', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-work-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const freezerFile = join(folder, 'freezer.state');
    writeFileSync(freezerFile, 'frozen');
    const frozen = { containerId: 'c', freezer: { file: freezerFile, thaw: 'thawed' } };
    const made = await new WorkFolders(join(folder, 'work'), silentLogger).make(undefined, frozen);
    const process = spawn('cat', [], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    t.after(() => process.kill('SIGKILL'));
    writeFileSync(join(made.path, 'process'), readFileSync(`/proc/${process.pid}/stat`));
    const leaving = made.leave();
    await made.remove();
    assert.equal(existsSync(made.path), true);
    assert.equal(readFileSync(freezerFile, 'utf8'), 'frozen');
    process.stdin.end();
    await leaving;
    assert.equal(existsSync(made.path), false);
    assert.equal(readFileSync(freezerFile, 'utf8'), 'thawed');
  });
});
