import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, link, lstat, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { takePassedFds } from '../../../src/server/systemd-sockets.js';
import { connectCri } from '../../support/cri-client.js';

const PROGRAM = fileURLToPath(new URL('../../support/serve-fd.js', import.meta.url));

describe('takePassedFds', () => {
  const pid = String(process.pid);

  it('counts from descriptor 3 and takes the variables away', () => {
    const env = { LISTEN_PID: pid, LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b', PATH: '/bin' };
    assert.deepEqual(takePassedFds(env), [3, 4]);
    assert.deepEqual(env, { PATH: '/bin' });
  });

  const refused: [string, NodeJS.ProcessEnv, RegExp][] = [
    ['nothing was passed', {}, /systemd passed no socket/],
    ['it was for another process', { LISTEN_PID: '1', LISTEN_FDS: '1' }, /for process 1, this one is/],
    ['no socket is left', { LISTEN_PID: pid, LISTEN_FDS: '0' }, /LISTEN_FDS is "0"/],
    ['the count is no number', { LISTEN_PID: pid, LISTEN_FDS: 'x' }, /LISTEN_FDS is "x"/],
  ];
  for (const [what, env, message] of refused) {
    it(`says so when ${what}`, () => {
      assert.throws(() => takePassedFds({ ...env }), message);
    });
  }
});

describe('sockets that systemd passed', () => {
  let directory: string;
  let children: ChildProcess[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cri-fd-'));
  });
  afterEach(async () => {
    children.forEach((child) => child.kill('SIGKILL'));
    children = [];
    await rm(directory, { recursive: true });
  });

  /**
   * Starts a server with sockets of these names, as systemd makes them; `endpoint` is a path, or nothing for fd://. Resolves
   * when it serves or has ended.
   */
  async function serve(names: readonly string[], endpoint: readonly string[], keepFiles = true) {
    const sockets = await Promise.all(names.map((name) => listening(join(directory, name))));
    // Only the shell knows the pid that LISTEN_PID must hold.
    const script = `LISTEN_PID=$$ LISTEN_FDS=${names.length} exec "$0" "$@"`;
    const child = spawn('sh', ['-c', script, process.execPath, PROGRAM, ...endpoint], {
      stdio: ['ignore', 'pipe', 'pipe', ...sockets.map(descriptorOf)],
    });
    children.push(child);
    // From here on the child alone accepts. To close a socket takes its file away, of which this is another name.
    for (const [index, socket] of sockets.entries()) {
      const path = join(directory, names[index] ?? '');
      if (keepFiles) await link(path, `${path}.kept`);
      socket.close();
      if (keepFiles) await rename(`${path}.kept`, path);
    }
    const exited = once(child, 'exit');
    const { stdout, stderr } = child;
    assert.ok(stdout && stderr);
    let problem = '';
    stderr.on('data', (text: Buffer) => (problem += text.toString()));
    await Promise.race([once(stdout, 'data'), exited]);
    return { child, exited, problem: () => problem };
  }

  async function answerOf(path: string): Promise<string> {
    const client = connectCri(path);
    const { runtime_name } = await client.runtime.Version({}, { timeoutMs: 10_000 });
    client.close();
    return runtime_name;
  }

  it('are all served with fd://, and keep their files when SIGTERM stops it', async () => {
    const paths = ['one.sock', 'two.sock'].map((name) => join(directory, name));
    const { child, exited } = await serve(['one.sock', 'two.sock'], []);
    for (const path of paths) assert.equal(await answerOf(path), '', 'no child sees LISTEN_* variables');
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    for (const path of paths) {
      const stat = await lstat(path);
      assert.ok(stat.isSocket());
      assert.equal(stat.mode & 0o777, 0o660);
    }
  });

  it('are served when one of them has the path that the endpoint names, by way of links too', async () => {
    await symlink(directory, `${directory}-link`);
    try {
      for (const path of [join(directory, 'cri.sock'), join(`${directory}-link`, 'cri.sock')]) {
        const inode = async () => (await lstat(join(directory, 'cri.sock'))).ino;
        const { child, exited, problem } = await serve(['cri.sock'], [path]);
        const before = await inode();
        assert.equal(await answerOf(path), '', problem());
        child.kill('SIGTERM');
        assert.deepEqual(await exited, [0, null]);
        assert.equal(await inode(), before, 'the file is still that of systemd');
        await rm(join(directory, 'cri.sock'));
      }
    } finally {
      await rm(`${directory}-link`);
    }
  });

  it('are served beside the endpoint when that is another path', async () => {
    await serve(['passed.sock'], [join(directory, 'own.sock')]);
    assert.equal(await answerOf(join(directory, 'own.sock')), '');
    assert.equal(await answerOf(join(directory, 'passed.sock')), '');
  });

  it('do not count when their file is gone: then the path is listened on anew', async () => {
    const path = join(directory, 'cri.sock');
    await serve(['cri.sock'], [path], false);
    assert.equal(await answerOf(path), '');
  });
});

async function listening(path: string): Promise<Server> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  await chmod(path, 0o660);
  return server;
}

function descriptorOf(server: Server): number {
  const handle: unknown = Reflect.get(server, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  assert.ok(typeof fd === 'number');
  return fd;
}
