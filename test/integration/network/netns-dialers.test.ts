import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NetnsDialers, type LoopbackDialer } from '../../../src/network/netns-dialer.js';
import { Code } from '../../../src/util/cri-error.js';
import { ownHelper } from '../../../src/util/own-program.js';
import { captureLog } from '../../support/captured-log.js';
import { serveInNetns, type NetnsServer } from '../../support/netns-server.js';
import { until } from '../../support/until.js';

/** A process in a network namespace of its own, with its loopback up. */
async function makeNamespace(): Promise<{ pid: number; child: ChildProcess }> {
  const script = 'ip link set lo up && echo up && exec sleep 600';
  const child = spawn('unshare', ['--net', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return { pid: child.pid ?? assert.fail('no process'), child };
}

async function echoOf(dialer: LoopbackDialer, port: number): Promise<string> {
  const socket = await dialer.connect(port);
  socket.end('hello');
  let text = '';
  for await (const piece of socket.setEncoding('utf8')) text += String(piece);
  return text;
}

/** A server that never accepts, with next to no backlog. */
const DEAF = `import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
print(s.getsockname()[1], flush=True); time.sleep(600)`;

describe('connections into network namespaces', { skip: process.getuid?.() !== 0 && 'not root' }, () => {
  let namespace: Awaited<ReturnType<typeof makeNamespace>>;
  let server: NetnsServer;
  let folder = '';

  before(async () => {
    namespace = await makeNamespace();
    server = await serveInNetns(namespace.pid, '127.0.0.1');
    folder = mkdtempSync(join(tmpdir(), 'cridock-dialers-'));
  });
  after(async () => {
    await server.stop();
    namespace.child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  for (const [what, native] of [
    ['the small helper', ownHelper('netns-dial')],
    ['a process of Node', join(tmpdir(), 'no-such-helper')],
  ] as const) {
    const skip = what === 'the small helper' && !existsSync(native) && 'no C compiler made it';
    it(`are made by ${what}`, { skip }, async () => {
      const log = captureLog();
      const dialer = new NetnsDialers(log, native).open(namespace.pid);
      assert.equal(await echoOf(dialer, server.port), 'helloend');
      await assert.rejects(dialer.connect(1), (error: { code: Code; message: string }) => {
        assert.equal(error.code, Code.UNAVAILABLE);
        assert.match(error.message, /ECONNREFUSED 127\.0\.0\.1:1.*::1:1/);
        return true;
      });
      assert.deepEqual(log.lines, []);
      dialer.close();
      await assert.rejects(dialer.connect(server.port), /the session has ended/);
    });
  }

  it('fall back to a process of Node, with one line, when the small helper does not work', async () => {
    const broken = join(folder, 'broken');
    for (const script of ['echo of another kind of machine >&2; exit 1', 'kill -9 $$']) {
      writeFileSync(broken, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const log = captureLog();
      const dialers = new NetnsDialers(log, broken);
      for (let count = 0; count < 2; count += 1) {
        const dialer = dialers.open(namespace.pid);
        assert.equal(await echoOf(dialer, server.port), 'helloend');
        dialer.close();
      }
      assert.deepEqual(
        log.lines.map(({ level }) => level),
        ['warn'],
      );
    }
  });

  it('are not made in what took the place of a namespace that is gone', async () => {
    const gone = await makeNamespace();
    const dialers = new NetnsDialers(captureLog());
    const dialer = dialers.open(gone.pid);
    gone.child.kill('SIGKILL');
    await once(gone.child, 'exit');
    await assert.rejects(dialer.connect(server.port), /the pod's network is gone/);
    assert.throws(() => dialers.open(gone.pid), /the pod's network is gone/);
    dialer.close();
  });

  it("that a pod's server does not accept hold up no other pod's", async () => {
    const args = ['--target', String(namespace.pid), '--net', '--', 'python3', '-c', DEAF];
    const deaf = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(deaf.stdout, 'data')) as [Buffer];
    const dialers = new NetnsDialers(captureLog());
    const dialer = dialers.open(namespace.pid);
    const refusals: string[] = [];
    for (let count = 0; count < 300; count += 1) {
      dialer.connect(Number(line.toString())).then(
        (socket) => socket.destroy(),
        (error: unknown) => refusals.push(String(error)),
      );
    }
    await until('some are refused', () => refusals.length >= 40);
    assert.match(refusals[0] ?? '', /too many connections are being made/);
    const other = await makeNamespace();
    const otherServer = await serveInNetns(other.pid, '127.0.0.1');
    const otherDialer = dialers.open(other.pid);
    assert.equal(await echoOf(otherDialer, otherServer.port), 'helloend');
    otherDialer.close();
    dialer.close();
    await otherServer.stop();
    other.child.kill('SIGKILL');
    deaf.kill('SIGKILL');
  });
});
