import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { messageOf } from '../../../src/util/cri-error.js';
import { allInTurn } from '../../support/all-in-turn.js';
import { noEngine, startCridock, type CridockProcess } from '../../support/cridock-process.js';
import { processesWith } from '../../support/host-processes.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';
import { startOwnEngine } from '../../support/own-engine.js';
import { exitOf, openRemote, openWebSocket, type RemoteResult } from '../../support/remote-command.js';
import { until } from '../../support/until.js';

const SPDY = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'];
const WEBSOCKET = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
];

/** What the client makes of a status: an exit code, or why there is none. */
function verdict(protocol: string, status: string): number | string {
  return /^v[45]/.test(protocol) ? exitOf(status) : status;
}

describe('sessions that cridock ends', { skip: noEngine }, () => {
  let cridock: CridockProcess;
  let pod: MadePod;
  let sleeps = 0;

  const start = async (grace: string) => {
    cridock = await startCridock({ flags: ['--log-level=info', `--shutdown-grace=${grace}`] });
    const spec = { name: 'cut', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
    pod = await makePod(cridock.client, spec);
  };
  const stop = async () => {
    await allInTurn(
      () => removePod(cridock.client, pod),
      () => cridock.stop(),
    );
  };
  const mark = () => `${910_000 + process.pid}${(sleeps += 1)}`;
  const url = async (script: string, kind: 'exec' | 'attach' = 'exec') => {
    const streams = { container_id: pod.containerIds[0] ?? '', stdout: true, stderr: true };
    if (kind === 'attach') return (await cridock.client.runtime.Attach(streams)).url;
    return (await cridock.client.runtime.Exec({ ...streams, cmd: ['sh', '-c', script] })).url;
  };
  /** A session of each protocol that runs the script, and what its client makes of its end. */
  const sessions = async (script: string, kind: 'exec' | 'attach' = 'exec') => {
    const open: { protocol: string; result: Promise<RemoteResult> }[] = [];
    for (const protocols of SPDY) {
      const { result } = await openRemote(await url(script, kind), { protocols });
      open.push({ protocol: protocols, result });
    }
    for (const protocol of WEBSOCKET) {
      const { result } = await openWebSocket(await url(script, kind), protocol);
      open.push({ protocol, result });
    }
    return async () =>
      Promise.all(
        open.map(async ({ protocol, result }) => {
          const { status } = await result.catch((error: unknown) => ({ status: messageOf(error) }));
          return { protocol, verdict: verdict(protocol, status) };
        }),
      );
  };

  describe('at once', () => {
    before(() => start('0s'));
    after(stop);

    it('a stop reads as a failure, with the reason, in every protocol; nothing runs on', async () => {
      const sleep = mark();
      const ends = await sessions(`sleep ${sleep}; exit 5`);
      await until('all run', () => processesWith(sleep).length >= SPDY.length + WEBSOCKET.length);
      const [seen] = await Promise.all([ends(), cridock.restart()]);
      for (const { protocol, verdict: told } of seen) {
        assert.match(String(told), /cridock is being stopped/, protocol);
      }
      await until('the commands are gone', () => processesWith(sleep).length === 0, 10_000);
    });

    it('a stop reads as a failure for who is attached', async () => {
      const ends = await sessions('', 'attach');
      const [seen] = await Promise.all([ends(), cridock.restart()]);
      for (const { protocol, verdict: told } of seen) assert.match(String(told), /being stopped/, protocol);
    });

    it('a client that reads nothing does not hold up the stop', async () => {
      const session = await openRemote(await url('yes'));
      await once(session.stdout, 'data');
      session.client.socket.pause();
      await cridock.restart();
      session.client.destroy();
    });
  });

  describe('after their time', () => {
    before(() => start('1m'));
    after(stop);

    it('sessions that are open at a stop come to their own end', async () => {
      const ends = await sessions('sleep 3; exit 5');
      const [seen] = await Promise.all([ends(), cridock.restart()]);
      for (const { protocol, verdict: told } of seen) {
        assert.ok(
          told === 5 || told === 'command terminated with non-zero exit code: exit status 5',
          `${protocol}: ${told}`,
        );
      }
    });
  });

  describe('orphans', () => {
    before(() => start('0s'));
    after(stop);

    it('nothing runs on that nobody reads: what writes, what is silent, what ignores hang-ups', async () => {
      const [writes, silent, stubborn] = [mark(), mark(), mark()];
      const scripts = [`yes ${writes}`, `sleep ${silent}`, `trap '' HUP; sleep ${stubborn}`];
      const open = [];
      for (const script of scripts) open.push(await openRemote(await url(script)));
      const marks = [writes, silent, stubborn];
      await until('all run', () => marks.every((text) => processesWith(text).length > 0));
      for (const { client } of open) client.destroy();
      await until('all are gone', () => marks.every((text) => processesWith(text).length === 0), 15_000);
    });
  });

  it('an error that nobody caught ends cridock in order, for its service manager to start it anew', async (t) => {
    const stray = "process.on('SIGUSR2', () => { throw new TypeError('stray'); })";
    const nodeFlags = [
      '--enable-source-maps',
      '--import',
      `data:text/javascript,${encodeURIComponent(stray)}`,
    ];
    cridock = await startCridock({ nodeFlags, flags: ['--shutdown-grace=0s'], printLog: false });
    t.after(() =>
      // Its pod can be removed only while it runs.
      allInTurn(() => (cridock.isRunning ? undefined : cridock.restart()), stop),
    );
    const spec = { name: 'stray', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
    pod = await makePod(cridock.client, spec);
    const session = await openRemote(await url('echo up; sleep 60'));
    await once(session.stdout, 'data');
    process.kill(cridock.pid, 'SIGUSR2');
    assert.match(String(exitOf((await session.result).status)), /cridock is being stopped/);
    await until('it has ended', () => !cridock.isRunning, 30_000);
    assert.match(cridock.log(), /TypeError: stray/);
    assert.equal(cridock.exitCode, 70);
    await cridock.restart();
  });

  it('the loss of the Engine reads as a failure, for exec and attach', async () => {
    const engine = startOwnEngine('20.10', 'cut-off', true);
    try {
      const flags = [`--docker-endpoint=unix://${engine.socketPath}`, '--shutdown-grace=0s'];
      cridock = await startCridock({ flags });
      const spec = { name: 'lost', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
      pod = await makePod(cridock.client, spec);
      const sleep = mark();
      const exec = await sessions(`sleep ${sleep}`);
      const attach = await sessions('', 'attach');
      await until('all run', () => processesWith(sleep).length >= SPDY.length + WEBSOCKET.length);
      const [seen] = await Promise.all([Promise.all([exec(), attach()]), engine.restart()]);
      for (const { protocol, verdict: told } of seen.flat()) assert.notEqual(told, 0, protocol);
      for (const { protocol, verdict: told } of seen.flat()) assert.notEqual(told, '', protocol);
      await stop();
    } finally {
      engine.stop();
    }
  });
});
