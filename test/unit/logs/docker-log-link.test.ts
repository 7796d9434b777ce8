import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { linkDockerLog, unlinkDockerLog } from '../../../src/logs/docker-log-link.js';
import { Code, CriError } from '../../../src/util/cri-error.js';

describe('docker log link', () => {
  let parent: string;
  let logPath: string;
  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'log-link-'));
  });
  after(() => rm(parent, { recursive: true }));
  beforeEach(async () => {
    logPath = join(await mkdtemp(join(parent, 'pod-')), 'c1', '0.log');
  });

  it('is made together with its folder, and leaves nothing else', async () => {
    await linkDockerLog(logPath, '/docker/1-json.log');
    assert.equal(await readlink(logPath), '/docker/1-json.log');
    assert.deepEqual(await readdir(dirname(logPath)), ['0.log']);
  });

  it('takes the place of an older link, and of one that a crash left unfinished', async () => {
    await linkDockerLog(logPath, '/docker/1-json.log');
    await symlink('/docker/2-json.log', join(dirname(logPath), '.0.log.unfinished'));
    await linkDockerLog(logPath, '/docker/3-json.log');
    assert.equal(await readlink(logPath), '/docker/3-json.log');
    assert.deepEqual(await readdir(dirname(logPath)), ['0.log']);
  });

  it('does not replace or remove what is no link', async () => {
    await mkdir(dirname(logPath));
    await writeFile(logPath, 'a log of somebody else');
    await assert.rejects(linkDockerLog(logPath, '/docker/1-json.log'), (error) => {
      return (
        error instanceof CriError &&
        error.code === Code.FAILED_PRECONDITION &&
        error.message.includes(logPath)
      );
    });
    await unlinkDockerLog(logPath);
    assert.equal(await readFile(logPath, 'utf8'), 'a log of somebody else');
  });

  it('is removed, its target is not; nothing to remove is success', async () => {
    const target = join(dirname(dirname(logPath)), 'json.log');
    await writeFile(target, 'kept');
    await linkDockerLog(logPath, target);
    await unlinkDockerLog(logPath);
    await unlinkDockerLog(logPath);
    await assert.rejects(lstat(logPath));
    assert.equal(await readFile(target, 'utf8'), 'kept');
  });

  it('tells the path where it cannot be made', async () => {
    await writeFile(dirname(logPath), 'a file where the folder should be');
    await assert.rejects(linkDockerLog(logPath, '/docker/1-json.log'), (error) => {
      return error instanceof CriError && error.code === Code.INTERNAL && error.message.includes(logPath);
    });
  });
});
