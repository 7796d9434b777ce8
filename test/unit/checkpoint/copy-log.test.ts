import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { link, rename, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { copyLog } from '../../../src/checkpoint/copy-log.js';

const LINE = '2026-11-30T06:00:00.000000000Z stdout F a line\n';
const ROUNDS = 300;

function folders(t: TestContext): { root: string; folder: string; secret: string; to: string } {
  const root = mkdtempSync(join(tmpdir(), 'cridock-copy-'));
  t.after(() => rmSync(root, { recursive: true }));
  const [folder, secret] = [join(root, 'container'), join(root, 'secret')];
  mkdirSync(folder);
  writeFileSync(secret, 'secret');
  return { root, folder, secret, to: join(root, 'copy') };
}

describe('copyLog', () => {
  it('copies a plain file, and nothing where there is none', async (t) => {
    const { folder, to } = folders(t);
    await copyLog(join(folder, '0.log'), to);
    await copyLog(join(folder, 'none', '0.log'), to);
    assert.equal(existsSync(to), false);
    writeFileSync(join(folder, '0.log'), LINE);
    await copyLog(join(folder, '0.log'), to);
    assert.equal(readFileSync(to, 'utf8'), LINE);
  });

  it('takes no link, pipe, folder or socket for a log, nor what is below a link', async (t) => {
    const { root, folder, secret, to } = folders(t);
    symlinkSync(secret, join(folder, 'link.log'));
    execFileSync('mkfifo', [join(folder, 'fifo.log')]);
    mkdirSync(join(folder, 'folder.log'));
    symlinkSync(root, join(root, 'elsewhere'));
    const server = createServer().listen(join(folder, 'socket.log'));
    t.after(() => server.close());
    const paths = ['link.log', 'fifo.log', 'folder.log', 'socket.log'].map((name) => join(folder, name));
    for (const path of [...paths, join(root, 'elsewhere', 'secret')]) {
      await copyLog(path, to);
      assert.equal(existsSync(to), false, path);
    }
  });

  it('a log that is swapped for a link or a pipe meanwhile leads nowhere, and holds nobody up', async (t) => {
    const { root, folder, secret, to } = folders(t);
    const [log, fifo, plain] = [join(folder, '0.log'), join(root, 'fifo'), join(root, 'plain')];
    execFileSync('mkfifo', [fifo]);
    writeFileSync(plain, LINE);
    let isOver = false;
    const swap = async (): Promise<void> => {
      for (let round = 0; !isOver; round += 1) {
        const next = join(folder, 'next');
        if (round % 3 === 0) await symlink(secret, next);
        else await link(round % 3 === 1 ? plain : fifo, next);
        await rename(next, log);
        await rm(next, { force: true }); // where both are one file they stay two names
      }
    };
    const swapping = swap();
    let copied = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      await copyLog(log, to);
      if (!existsSync(to)) continue;
      assert.equal(readFileSync(to, 'utf8'), LINE);
      copied += 1;
      rmSync(to);
    }
    isOver = true;
    await swapping;
    t.diagnostic(`${copied} of ${ROUNDS} copies met the plain file`);
  });
});
