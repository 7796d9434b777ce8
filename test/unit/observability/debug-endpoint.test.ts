import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { DebugEndpoint, type DebugEndpointOptions } from '../../../src/observability/debug-endpoint.js';
import { listenOnUnixSocket } from '../../../src/server/unix-socket.js';
import { silentLogger } from '../../../src/util/log.js';

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function serve(t: TestContext, calls: DebugEndpointOptions['calls'] = () => []) {
  const directory = await mkdtemp(join(tmpdir(), 'debug-'));
  const path = join(directory, 'debug.sock');
  const endpoint = new DebugEndpoint({ calls, log: silentLogger });
  const listener = await listenOnUnixSocket(path, (socket) => endpoint.serve(socket), silentLogger, 'root');
  t.after(async () => {
    await listener.close();
    endpoint.close();
    await rm(directory, { recursive: true });
  });
  const ask = (page: string, method = 'GET'): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = request({ socketPath: path, path: page, method }, (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      });
      sent.on('error', reject);
      sent.end();
    });
  return { path, ask };
}

describe('the debug endpoint', () => {
  it('is for root alone', async (t) => {
    const { path } = await serve(t);
    const { mode, uid } = await stat(path);
    assert.deepEqual([mode & 0o777, uid], [0o600, process.getuid?.()]);
  });

  it('shows the calls in flight with their age', async (t) => {
    const { ask } = await serve(t, () => {
      // A busy machine: some time passes before the list is there.
      for (const untilMs = performance.now() + 5; performance.now() < untilMs;);
      return [{ rpc: 'PullImage', startedAtMs: performance.now() - 60_000 }];
    });
    const [call, ...others] = JSON.parse((await ask('/debug/calls')).body) as {
      rpc: string;
      ageMs: number;
    }[];
    assert.equal(call?.rpc, 'PullImage');
    assert.ok(call.ageMs >= 60_000);
    assert.deepEqual(others, []);
  });

  it('shows where the process is, without its environment', async (t) => {
    const { ask } = await serve(t);
    process.env['DEBUG_TEST_SECRET'] = 'hunter2';
    t.after(() => delete process.env['DEBUG_TEST_SECRET']);
    const { status, body } = await ask('/debug/report');
    assert.equal(status, 200);
    assert.match(body, /"javascriptStack"/);
    assert.doesNotMatch(body, /hunter2/);
  });

  it('takes a CPU profile for as long as it is asked to', async (t) => {
    const { ask } = await serve(t);
    const profile = JSON.parse((await ask('/debug/profile?seconds=0.2')).body) as {
      nodes: unknown[];
      startTime: number;
      endTime: number;
    };
    assert.ok(profile.nodes.length > 0);
    assert.ok(profile.endTime - profile.startTime >= 200_000);
    assert.equal((await ask('/debug/profile?seconds=forever')).status, 400);
  });

  it('sends a heap snapshot', async (t) => {
    const { ask } = await serve(t);
    const { snapshot } = JSON.parse((await ask('/debug/heap')).body) as { snapshot: { node_count: number } };
    assert.ok(snapshot.node_count > 1000);
  });

  it('names its pages to whoever asks for another, and only reads', async (t) => {
    const { ask } = await serve(t);
    const { status, body } = await ask('/');
    assert.equal(status, 404);
    assert.match(body, /\/debug\/heap/);
    assert.equal((await ask('/debug/calls', 'DELETE')).status, 405);
  });
});
