import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdtemp, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { listenOnUnixSocket } from '../../../src/server/unix-socket.js';
import { captureLog } from '../../support/captured-log.js';

describe('listenOnUnixSocket', () => {
  let parent: string;
  let directory: string;
  let path: string;
  let log = captureLog();

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'cri-socket-'));
  });
  after(() => rm(parent, { recursive: true }));
  beforeEach(async () => {
    directory = await mkdtemp(join(parent, 't-'));
    path = join(directory, 'cri.sock');
    log = captureLog();
  });

  const open = (at = path) => listenOnUnixSocket(at, (socket) => socket.end('hello'), log);

  it('makes the directory and a socket of mode 0660, and takes it away again', async () => {
    const deep = join(directory, 'a', 'b', 'cri.sock');
    const listener = await open(deep);
    const stat = await lstat(deep);
    assert.ok(stat.isSocket());
    assert.equal(stat.mode & 0o777, 0o660);
    assert.deepEqual(await readdir(join(directory, 'a', 'b')), ['cri.sock']);
    await listener.close();
    assert.deepEqual(await readdir(join(directory, 'a', 'b')), []);
  });

  it('gives the socket to the group docker where there is one', async (t) => {
    const group = /^docker:[^:]*:(\d+):/m.exec(await readFile('/etc/group', 'utf8'));
    if (group === null || process.getuid?.() !== 0) {
      t.skip('needs a group docker, and root to give files to it');
      return;
    }
    const listener = await open();
    assert.equal((await lstat(path)).gid, Number(group[1]));
    await listener.close();
  });

  it('replaces a socket file that nobody listens on', async () => {
    // A process that is killed leaves its socket file behind.
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script], { timeout: 10_000 });
    assert.ok((await lstat(path)).isSocket());
    const listener = await open();
    assert.deepEqual(await once(connect(path).setEncoding('utf8'), 'data'), ['hello']);
    await listener.close();
  });

  it('refuses a socket that another process serves', async () => {
    const other = await listening(path);
    await assert.rejects(open(), { message: `another process serves ${path}; stop it first` });
    assert.deepEqual(await readdir(directory), ['cri.sock']);
    other.close();
  });

  it('leaves alone what is not a socket', async () => {
    await writeFile(path, 'precious');
    await assert.rejects(open(), /is not a socket; it is left alone/);
    assert.equal(await readFile(path, 'utf8'), 'precious');
    await rm(path);
    await symlink('/nowhere', path);
    await assert.rejects(open(), /is not a socket/);
    assert.ok((await lstat(path)).isSymbolicLink());
  });

  it('leaves alone the socket of a successor', async () => {
    const listener = await open();
    const successor = await listening(`${path}.new`);
    await rename(`${path}.new`, path);
    await listener.close();
    assert.ok((await lstat(path)).isSocket());
    await rm(path);
    successor.close();
  });
});

async function listening(path: string): Promise<Server> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  return server;
}
