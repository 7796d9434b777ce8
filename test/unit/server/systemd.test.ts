import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { createServiceNotifier } from '../../../src/server/systemd.js';
import { captureLog } from '../../support/captured-log.js';

/**
 * Prints `listening`, then each message as a line of JSON; Node has no unix datagram sockets. BARRIER=1 is
 * systemd-notify's own: it makes sure that the message before it was read.
 */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True:
    message = s.recv(4096).decode()
    if message != "BARRIER=1":
        print(json.dumps(message), flush=True)
`;

function missingTool(): string | undefined {
  for (const tool of ['systemd-notify', 'python3']) {
    if (spawnSync(tool, ['--version']).status !== 0) return `${tool} is not installed`;
  }
  return undefined;
}

const skip = missingTool() ?? false;

/** The place of systemd: the path of its socket, and the messages that come there. */
async function receive(t: TestContext): Promise<{ path: string; next: () => Promise<string[]> }> {
  const directory = await mkdtemp(join(tmpdir(), 'cri-notify-'));
  const path = join(directory, 'notify');
  const receiver = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    receiver.kill();
    await once(receiver, 'exit');
    await rm(directory, { recursive: true });
  });
  const lines = createInterface(receiver.stdout)[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'listening');
  return {
    path,
    next: async () => {
      const line: unknown = (await lines.next()).value;
      assert.ok(typeof line === 'string');
      return String(JSON.parse(line)).trim().split('\n');
    },
  };
}

describe('createServiceNotifier', () => {
  it('does nothing when systemd did not ask', async () => {
    const env = { PATH: '/nowhere' };
    const log = captureLog();
    const notifier = createServiceNotifier(env, log);
    await notifier.ready();
    await notifier.reloading();
    await notifier.stopping(0);
    assert.deepEqual(log.lines, []);
  });

  it('warns once when systemd-notify cannot be run, and goes on', async () => {
    const env: NodeJS.ProcessEnv = { PATH: '/nowhere', NOTIFY_SOCKET: '/nowhere/notify' };
    const log = captureLog();
    const notifier = createServiceNotifier(env, log);
    assert.deepEqual(env, { PATH: '/nowhere' }, 'children do not speak in our name');
    await notifier.ready();
    await notifier.stopping(0);
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ['warn'],
    );
  });

  it('tells systemd of start, reload and stop', { skip }, async (t) => {
    const { path, next } = await receive(t);
    const notifier = createServiceNotifier({ ...process.env, NOTIFY_SOCKET: path }, captureLog());
    await notifier.ready();
    assert.deepEqual(await next(), ['READY=1']);
    await notifier.reloading();
    const [reloading, time] = await next();
    assert.equal(reloading, 'RELOADING=1');
    assert.match(time ?? '', /^MONOTONIC_USEC=\d+$/);
    await notifier.stopping(0);
    assert.deepEqual(await next(), ['STOPPING=1', 'EXTEND_TIMEOUT_USEC=30000000']);
  });

  it('tells of the start also where it takes long to run a program', { skip }, async (t) => {
    const { path, next } = await receive(t);
    const slow = await mkdtemp(join(tmpdir(), 'cri-notify-slow-'));
    t.after(() => rm(slow, { recursive: true }));
    const script = `#!/bin/sh\nsleep 6\nPATH="\${PATH#*:}" exec systemd-notify "$@"\n`;
    await writeFile(join(slow, 'systemd-notify'), script, { mode: 0o755 });
    const env = { ...process.env, PATH: `${slow}:${process.env['PATH']}`, NOTIFY_SOCKET: path };
    const log = captureLog();
    await createServiceNotifier(env, log).ready();
    assert.deepEqual(log.lines, []);
    assert.deepEqual(await next(), ['READY=1']);
  });

  it('gives the watchdog a sign of life, but not when it waits for another process', { skip }, async (t) => {
    const { path, next } = await receive(t);
    const watched = { ...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' };
    const other = createServiceNotifier({ ...watched, WATCHDOG_PID: '1' }, captureLog());
    await other.ready();
    assert.deepEqual(await next(), ['READY=1']);
    const ours = createServiceNotifier({ ...watched, WATCHDOG_PID: String(process.pid) }, captureLog());
    await ours.ready();
    assert.deepEqual(await next(), ['READY=1']);
    // The timer alone does not keep a process alive; here the receiver's pipe does.
    assert.deepEqual(await next(), ['WATCHDOG=1']);
    await ours.stopping(0);
  });
});
