import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import type { SessionDeps } from '../../../src/streaming/exec.js';
import { sessions } from '../../../src/streaming/sessions.js';
import { FrozenContainers } from '../../../src/checkpoint/frozen-containers.js';
import { deferred } from '../../../src/util/deferred.js';
import { silentLogger } from '../../../src/util/log.js';
import { exitOf, openRemote, openWebSocket } from '../../support/remote-command.js';
import { EXEC, serveStreaming } from '../../support/streaming-fixture.js';
import { until } from '../../support/until.js';

describe('a session that is cut off', () => {
  it('is told so at once, however long its command takes to end, and is over after that', async (t) => {
    const { promise: answered, resolve: answer } = deferred();
    const connections: PassThrough[] = [];
    const container = { id: 'c', pid: 1, status: 'running' };
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
    const deps = {
      engine,
      mirror: { current: () => Promise.resolve({ containers: { resolve: () => container } }) },
      frozen: new FrozenContainers(),
      log: silentLogger,
      execOrphan: 'kill',
    } as unknown as SessionDeps;
    const { server } = await serveStreaming(t, sessions(deps));
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
});
