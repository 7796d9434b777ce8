import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
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

describe('listenOnSystemdSockets', () => {
  it('serves all sockets that were passed, keeps their files, and stops at SIGTERM', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'cri-fd-'));
    const paths = ['one.sock', 'two.sock'].map((name) => join(directory, name));
    const sockets = await Promise.all(paths.map(listening));
    // Only the shell knows the pid that LISTEN_PID must hold.
    const child = spawn(
      'sh',
      ['-c', 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$1"', process.execPath, PROGRAM],
      {
        stdio: ['ignore', 'pipe', 'inherit', ...sockets.map(descriptorOf)],
      },
    );
    // From here on the child alone accepts.
    sockets.forEach((socket) => socket.close());
    const exited = once(child, 'exit');
    t.after(async () => {
      child.kill('SIGKILL');
      await rm(directory, { recursive: true });
    });
    const { stdout } = child;
    assert.ok(stdout);
    await Promise.race([once(stdout, 'data'), exited]);
    for (const path of paths) {
      const client = connectCri(path);
      const { runtime_name } = await client.runtime.Version({}, { timeoutMs: 5_000 });
      assert.equal(runtime_name, '', 'no child sees LISTEN_* variables');
      client.close();
    }
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    for (const path of paths) {
      const stat = await lstat(path);
      assert.ok(stat.isSocket());
      assert.equal(stat.mode & 0o777, 0o660);
    }
  });
});

/** A socket as systemd makes it; closed, it leaves its file, since that has another name by then. */
async function listening(path: string): Promise<Server> {
  const draft = `${path}.draft`;
  const server = createServer().listen(draft);
  await once(server, 'listening');
  await chmod(draft, 0o660);
  await rename(draft, path);
  return server;
}

function descriptorOf(server: Server): number {
  const handle: unknown = Reflect.get(server, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  assert.ok(typeof fd === 'number');
  return fd;
}
