import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { runExec, type SessionDeps } from '../../../src/streaming/exec.js';
import { clientGone, type RemoteStreams } from '../../../src/streaming/remote-streams.js';
import { sessions } from '../../../src/streaming/sessions.js';
import { FrozenContainers } from '../../../src/checkpoint/frozen-containers.js';
import { deferred } from '../../../src/util/deferred.js';
import { silentLogger } from '../../../src/util/log.js';
import { hangingStart } from '../../support/hanging-start.js';
import { exitOf, openRemote, openWebSocket } from '../../support/remote-command.js';
import { EXEC, serveStreaming } from '../../support/streaming-fixture.js';
import { until } from '../../support/until.js';

/** What sessions need, with a container that runs on this Engine. */
function depsWith(engine: object): SessionDeps {
  const container = { id: 'c', pid: 1, status: 'running' };
  return {
    engine,
    mirror: { current: () => Promise.resolve({ containers: { resolve: () => container } }) },
    frozen: new FrozenContainers(),
    log: silentLogger,
    execOrphan: 'kill',
  } as unknown as SessionDeps;
}

describe('a session that is cut off', () => {
  it('is told so at once, however long its command takes to end, and is over after that', async (t) => {
    const { promise: answered, resolve: answer } = deferred();
    const connections: PassThrough[] = [];
    const engine = {
      createExec: () => Promise.resolve('e'),
      startExec: () => {
        const connection = new PassThrough();
        connections.push(connection);
        return Promise.resolve(connection);
      },
      // An Engine that has much to do.
      inspectExec: () => answered.then(() => ({ Running: false, ExitCode: 137, Pid: 1 })),
    };
    const { server } = await serveStreaming(t, sessions(depsWith(engine)));
    const wanted = { ...EXEC, stdin: false };
    const spdy = await openRemote(server.urlFor(wanted), { stderr: false });
    const webSocket = await openWebSocket(server.urlFor(wanted), 'v5.channel.k8s.io');
    await until('both run', () => connections.length === 2);
    let isOver = false;
    const stopped = server.stop().then(() => (isOver = true));
    for (const { result } of [spdy, webSocket])
      assert.match(String(exitOf((await result).status)), /cridock is being stopped/);
    assert.deepEqual([isOver, ...connections.map(({ destroyed }) => destroyed)], [false, false, false]);
    answer();
    await stopped;
    assert.ok(connections.every(({ destroyed }) => destroyed));
  });

  it('is over when its command has not been started a minute later', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const start = hangingStart();
    const engine = { createExec: () => Promise.resolve('e'), startExec: start.startExec };
    const cut = new AbortController();
    const streams = { cut: cut.signal, onResize: () => undefined } as unknown as RemoteStreams;
    const wanted = { containerId: 'c', cmd: ['true'], tty: false, stdin: false, stdout: true, stderr: false };
    const running = runExec(depsWith(engine), { kind: 'exec', ...wanted }, streams, []);
    await start.begun;
    cut.abort(clientGone());
    t.mock.timers.tick(59_999);
    assert.equal(start.isGivenUp(), false);
    t.mock.timers.tick(1);
    assert.equal(start.isGivenUp(), true);
    await assert.rejects(running, /has not started the command/);
  });
});
