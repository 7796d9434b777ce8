import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { forEachLimited } from '../../../src/util/concurrency.js';
import { allInTurn } from '../../support/all-in-turn.js';
import { noEngine, startCridock, type CridockProcess } from '../../support/cridock-process.js';
import { processesWith } from '../../support/host-processes.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';
import { containerConfig } from '../../support/pods.js';
import {
  exitOf,
  openRemote,
  openWebSocket,
  sha256,
  type RemoteOptions,
} from '../../support/remote-command.js';
import { Refused } from '../../support/spdy-client.js';
import { until } from '../../support/until.js';

/** The full sizes of the acceptance test: 500 MB out, 200 MB in and back, 1,000 execs. */
const FULL = process.env['CRIDOCK_TEST_FULL'] !== undefined;
const OUT_BYTES = FULL ? 500_000_000 : 60_000_000;
const ECHO_BYTES = FULL ? 200_000_000 : 20_000_000;
const SHORT_EXECS = FULL ? 1_000 : 100;
/** Commands that end while input is under way: it is a race. */
const EARLY_ENDS = FULL ? 50 : 10;
const MIB = 1024 * 1024;
/** As a browser's terminal sends them, by way of the API server and the kubelet. */
const BROWSER = {
  Origin: 'http://localhost',
  Cookie: 'c'.repeat(100_000),
  'User-Agent': 'Mozilla/5.0',
};

describe('exec and attach', { skip: noEngine }, () => {
  let cridock: CridockProcess;
  let pod: MadePod;
  let containerId = '';
  let sleeps = 0;

  const execUrl = async (
    cmd: string[],
    { tty = false, stdin = false, stderr = !tty }: RemoteOptions = {},
  ) => {
    const request = { container_id: containerId, cmd, tty, stdin, stdout: true, stderr };
    return (await cridock.client.runtime.Exec(request)).url;
  };
  const exec = async (cmd: string[], options: RemoteOptions = {}) =>
    openRemote(await execUrl(cmd, options), options);
  const shell = async (script: string, options: RemoteOptions = {}) => exec(['sh', '-c', script], options);
  const uniqueSleep = () => `sleep ${900_000 + process.pid}${(sleeps += 1)}`;
  const rssBytes = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${cridock.pid}/status`, 'utf8'))?.[1]) * 1024;

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=info'] });
    const spec = { name: 'streams', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
    pod = await makePod(cridock.client, spec);
    containerId = pod.containerIds[0] ?? '';
  });
  after(async () => {
    await allInTurn(
      () => removePod(cridock.client, pod),
      () => cridock.stop(),
    );
  });

  it('keeps the outputs apart and tells the exit code', async () => {
    const { result } = await shell("printf 'a\\000b'; echo oops >&2; exit 7", { headers: BROWSER });
    const { stdout, stderr, status } = await result;
    assert.deepEqual([stdout.toString('latin1'), stderr.toString(), exitOf(status)], ['a\0b', 'oops\n', 7]);
  });

  it('tells exit codes from 0 to 255', async () => {
    const codes = [...Array.from({ length: 256 }).keys()].filter(
      (code) => FULL || code % 25 === 0 || (code > 124 && code < 131) || code === 255,
    );
    const seen = new Map<number, number | string>();
    await forEachLimited(codes, 8, async (code) => {
      const { result } = await shell(`exit ${code}`);
      seen.set(code, exitOf((await result).status));
    });
    for (const code of codes) assert.equal(seen.get(code), code);
  });

  it('tells a command that cannot be started from its output, and keeps output that looks like it', async () => {
    for (const tty of [false, true]) {
      const { stdout, status } = await (await exec(['/no/such'], { tty })).result;
      assert.match(String(exitOf(status)), /no such file or directory/);
      assert.equal(stdout.length, 0);
    }
    const alike = "printf 'OCI runtime exec failed: no\\r\\n'; exit 127";
    const { stdout, status } = await (await shell(alike)).result;
    assert.deepEqual([stdout.toString(), exitOf(status)], ['OCI runtime exec failed: no\r\n', 127]);
    const slow = await (await shell("printf 'a\\r\\n'; sleep 1.5; printf b")).result;
    assert.equal(slow.stdout.toString(), 'a\r\nb');
  });

  it('speaks the old protocols too', async () => {
    for (const protocols of ['v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io']) {
      const good = await (await shell('echo hi', { protocols, headers: BROWSER })).result;
      assert.deepEqual([good.stdout.toString(), good.status], ['hi\n', '']);
      const bad = await (await shell('exit 3', { protocols })).result;
      assert.equal(bad.status, 'command terminated with non-zero exit code: exit status 3');
    }
    const url = await execUrl(['true']);
    await assert.rejects(openRemote(url, { protocols: 'v9.channel.k8s.io' }), { status: 403 });
    assert.equal(exitOf((await (await openRemote(url)).result).status), 0, 'a refusal leaves the token');
    await assert.rejects(openRemote(url), { status: 404 });
    await assert.rejects(openRemote(url.replace(/[0-9a-f]{32}$/, '0'.repeat(32))), Refused);
  });

  it('carries output byte for byte to a slow reader, in bounded memory', async () => {
    await (
      await shell('true')
    ).result;
    const before = rssBytes();
    // What `yes` writes is known, and its lines cross all borders.
    const session = await shell(`yes 0123456789abcde | head -c ${OUT_BYTES}`);
    const hash = createHash('sha256');
    let received = 0;
    let largest = before;
    let pauses = 0;
    session.stdout.removeAllListeners('data').on('data', (piece: Buffer) => {
      hash.update(piece);
      received += piece.length;
      if (received < (pauses + 1) * (OUT_BYTES / 6)) return;
      pauses += 1;
      session.client.socket.pause();
      setTimeout(() => {
        largest = Math.max(largest, rssBytes());
        session.client.socket.resume();
      }, 500);
    });
    const { status } = await session.result;
    assert.equal(exitOf(status), 0);
    assert.equal(received, OUT_BYTES);
    const expected = createHash('sha256');
    const block = Buffer.from('0123456789abcde\n'.repeat(62_500));
    for (let left = OUT_BYTES; left > 0; left -= block.length) expected.update(block.subarray(0, left));
    assert.equal(hash.digest('hex'), expected.digest('hex'));
    assert.ok(pauses >= 5);
    const grownMib = (largest - before) / MIB;
    assert.ok(grownMib <= 64, `RSS grew by ${grownMib.toFixed(0)} MiB`);
  });

  it('carries input in random pieces through cat and back', async () => {
    const session = await exec(['cat'], { stdin: true });
    const sent = createHash('sha256');
    const received = createHash('sha256');
    session.stdout.removeAllListeners('data').on('data', (piece: Buffer) => received.update(piece));
    const pool = randomBytes(MIB);
    for (let left = ECHO_BYTES; left > 0;) {
      const start = randomInt(pool.length - 70_000);
      const piece = pool.subarray(start, start + Math.min(left, randomInt(1, 70_000)));
      sent.update(piece);
      left -= piece.length;
      await session.stdin?.write(piece);
    }
    await session.stdin?.end();
    const { status } = await session.result;
    assert.equal(exitOf(status), 0);
    assert.equal(received.digest('hex'), sent.digest('hex'));
  });

  it('holds input back for a process that does not read', async () => {
    const session = await shell('until [ -e /tmp/read ]; do sleep 0.1; done; wc -c', { stdin: true });
    await delay(200);
    const before = rssBytes();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 64 * MIB; sent += 65_536) await session.stdin?.write(Buffer.alloc(65_536));
      await session.stdin?.end();
    })();
    await delay(1_000);
    assert.ok(sent < 32 * MIB, `${sent} bytes are somewhere`);
    assert.ok(rssBytes() - before < 64 * MIB);
    await (
      await shell('touch /tmp/read')
    ).result;
    await sending;
    assert.equal((await session.result).stdout.toString().trim(), String(64 * MIB));
  });

  it(`runs ${SHORT_EXECS} short execs`, async () => {
    await forEachLimited(Array.from({ length: SHORT_EXECS }).keys(), 32, async (index) => {
      const { stdout, status } = await (await shell(`echo ${index}; exit ${index % 100}`)).result;
      assert.deepEqual([stdout.toString(), exitOf(status)], [`${index}\n`, index % 100]);
    });
  });

  it('ends with the command that leaves most of its input unread, over SPDY', async () => {
    for (let round = 0; round < EARLY_ENDS; round += 1) {
      const { stdin, client, result } = await exec(['head', '-c', '1'], { stdin: true });
      const ended = new AbortController();
      void result.then(() => ended.abort());
      while (!ended.signal.aborted && !client.socket.destroyed) {
        await stdin?.write(Buffer.from('y\n'.repeat(32_768)));
        await delay(0);
      }
      const { stdout, status } = await result;
      assert.deepEqual([stdout.toString(), exitOf(status)], ['y', 0]);
      client.destroy();
    }
  });

  it('ends with the command that leaves most of its input unread, over WebSocket', async () => {
    for (let round = 0; round < EARLY_ENDS; round += 1) {
      const url = (await execUrl(['head', '-c', '1'], { stdin: true })).replace(/^http/, 'ws');
      const { socket, send, result } = await openWebSocket(url, 'v5.channel.k8s.io');
      while (socket.readyState === socket.OPEN) {
        if (socket.bufferedAmount < MIB) send(0, Buffer.from('y\n'.repeat(32_768)));
        await delay(0);
      }
      const { stdout, status } = await result;
      assert.deepEqual([stdout.toString(), exitOf(status)], ['y', 0]);
    }
  });

  it('gives a terminal its first size, later sizes and ctrl-p', async () => {
    const session = await openRemote(await execUrl(['sh'], { tty: true, stdin: true }), {
      tty: true,
      stdin: true,
    });
    let text = '';
    session.stdout.on('data', (piece: Buffer) => (text += piece.toString()));
    await session.resize?.write(Buffer.from('{"Width":91,"Height":31}\n'));
    const tells = (size: string) => async (): Promise<boolean> => {
      await session.stdin?.write(Buffer.from('stty size\n'));
      await delay(50);
      return text.includes(size);
    };
    // Before API 1.42 the Engine takes the first size only after the start.
    await until('the first size', tells('31 91'));
    await session.resize?.write(Buffer.from('{"Width":92,"Height":32}{"Width":93,"Height":33}'));
    await until('the last size', tells('33 93'));
    // The shell edits its lines in a mode of its own: what is typed before it runs something is not for that.
    await session.stdin?.write(Buffer.from('echo sum=$((1 + 1)); cat -v\n'));
    await until('cat', () => text.includes('sum=2'));
    await session.stdin?.write(Buffer.from('\x10\x11x\n\x04'));
    await until('ctrl-p', () => text.includes('^P'));
    await session.stdin?.write(Buffer.from('exit 5\n'));
    assert.equal(exitOf((await session.result).status), 5);
  });

  it('hangs up on a terminal whose client is gone', async () => {
    const ended = uniqueSleep();
    const terminal = await shell(`trap '' HUP; ${ended}`, { tty: true });
    await until('it runs', () => processesWith(ended).length > 0);
    terminal.client.destroy();
    await until('it is killed', () => processesWith(ended).length === 0, 8_000);
  });

  it('hangs up on a terminal that writes on when its client is gone', async () => {
    const mark = uniqueSleep();
    const terminal = await shell(`while :; do echo ${mark}; done`, { tty: true });
    await once(terminal.stdout, 'data');
    terminal.client.destroy();
    await until('it is killed', () => processesWith(mark).length === 0, 8_000);
  });

  it('attaches with half-close to a container that reads once', async () => {
    const config = containerConfig('reader', 'busybox:latest', '', {
      command: ['sh', '-c', 'cat; echo end; sleep 0.2'],
      stdin: true,
      stdin_once: true,
    });
    const { container_id: id } = await cridock.client.runtime.CreateContainer({
      pod_sandbox_id: pod.sandboxId,
      config,
      sandbox_config: {
        metadata: { name: 'streams', namespace: 'cridock-test', uid: 'uid-streams', attempt: 0 },
        log_directory: `${cridock.directory}/logs/streams`,
      },
    });
    await cridock.client.runtime.StartContainer({ container_id: id });
    const streams = { stdin: true, stdout: true, stderr: true };
    const { url } = await cridock.client.runtime.Attach({ container_id: id, ...streams });
    const session = await openRemote(url, { stdin: true });
    await session.stdin?.write(Buffer.from('hello\n'));
    await session.stdin?.end();
    assert.equal((await session.result).stdout.toString(), 'hello\nend\n');
    await cridock.client.runtime.RemoveContainer({ container_id: id });
  });

  for (const protocol of [
    'v5.channel.k8s.io',
    'v4.channel.k8s.io',
    'v4.base64.channel.k8s.io',
    'channel.k8s.io',
    'base64.channel.k8s.io',
    '',
  ]) {
    it(`speaks WebSocket's "${protocol}", also with a browser's terminal`, async () => {
      const bytes = randomBytes(300_000);
      const url = await execUrl(['sh', '-c', `head -c ${bytes.length}; echo err >&2; exit 4`], {
        stdin: true,
      });
      const session = await openWebSocket(url, protocol, BROWSER);
      for (let at = 0; at < bytes.length; at += 30_000) session.send(0, bytes.subarray(at, at + 30_000));
      const { stdout, stderr, status } = await session.result;
      assert.equal(sha256(stdout), sha256(bytes));
      assert.equal(stderr.toString(), 'err\n');
      const isObject = /^v[45]/.test(protocol);
      assert.equal(
        isObject ? exitOf(status) : status,
        isObject ? 4 : 'command terminated with non-zero exit code: exit status 4',
      );
    });
  }

  it('ends stdin over WebSocket where the protocol can', async () => {
    const session = await openWebSocket(await execUrl(['cat'], { stdin: true }), 'v5.channel.k8s.io');
    session.send(0, Buffer.from('some'));
    session.socket.send(Buffer.of(255, 0));
    const { stdout, status } = await session.result;
    assert.deepEqual([stdout.toString(), exitOf(status)], ['some', 0]);
  });
});
