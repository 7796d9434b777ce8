import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallContext } from '../../../src/util/call-context.js';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { EncodedReply } from '../../../src/util/encoded-reply.js';
import { silentMetrics } from '../../../src/util/metrics-sink.js';
import { protocol, serveCri } from '../../support/cri-fixture.js';
import { until } from '../../support/until.js';

describe('RPCs that answer with a stream', () => {
  it('sends what the handler yields, encoded or not, and then ends', async (t) => {
    const encoded = protocol.encodeReply('ListContainers', { containers: [{ id: 'two' }] });
    const { client } = await serveCri(t, {
      streams: {
        async *StreamContainers({ filter }) {
          assert.equal(filter, null);
          yield { containers: [{ id: 'one' }] };
          await delay(1);
          yield new EncodedReply(encoded);
        },
      },
    });
    const ids: string[] = [];
    for await (const { containers } of client.streams.StreamContainers({}))
      ids.push(...containers.map(({ id }) => id));
    assert.deepEqual(ids, ['one', 'two']);
  });

  it('turns what the handler throws into a status, logs and measures once', async (t) => {
    const measured: string[] = [];
    const { client, log } = await serveCri(t, {
      streams: {
        // eslint-disable-next-line require-yield -- it fails first
        async *StreamContainers() {
          await delay(1);
          throw new CriError(Code.UNAVAILABLE, 'no Engine');
        },
      },
      metrics: { ...silentMetrics, rpc: (rpc, code) => measured.push(`${rpc} ${code}`) },
    });
    await assert.rejects(readAll(client.streams.StreamContainers({})), {
      code: Code.UNAVAILABLE,
      details: 'no Engine',
    });
    await until('it is logged', () => log.lines.some(({ message }) => message === 'call failed'));
    assert.deepEqual(measured, ['StreamContainers UNAVAILABLE']);
  });

  it('answers UNIMPLEMENTED without a handler, and INVALID_ARGUMENT to what is no request', async (t) => {
    const { client } = await serveCri(t, { streams: { async *StreamContainers() {} } });
    await assert.rejects(readAll(client.streams.GetContainerEvents({})), { code: Code.UNIMPLEMENTED });
    const request = client.rawCall('/runtime.v1.RuntimeService/StreamContainers', Buffer.from([0x0a, 5]));
    await assert.rejects(request, { code: Code.INVALID_ARGUMENT });
  });

  it('asks for no more than the client takes', async (t) => {
    const filler = 'x'.repeat(64 * 1024);
    let yielded = 0;
    const { client } = await serveCri(t, {
      streams: {
        async *StreamContainers() {
          for (; yielded < 2_000; yielded += 1) {
            await delay(0);
            yield { containers: [{ id: filler }] };
          }
        },
      },
    });
    const messages = client.streams.StreamContainers({})[Symbol.asyncIterator]();
    await messages.next(); // until something is read, grpc-js's client takes everything
    let before = -1;
    await until('nothing is asked for any more', async () => {
      if (yielded === before) return true;
      before = yielded;
      await delay(300);
      return false;
    });
    assert.ok(yielded < 200, `${yielded} messages of 64 KiB were made for a client that takes none`);
    let taken = 1;
    while ((await messages.next()).done !== true) taken += 1;
    assert.equal(taken, 2_000);
  });

  it('ends the iteration when the client leaves, waiting or not', async (t) => {
    let ended = 0;
    let signal: AbortSignal | undefined;
    const { client } = await serveCri(t, {
      streams: {
        async *GetContainerEvents(_request: unknown, ctx: CallContext) {
          signal = ctx.signal;
          try {
            yield { container_id: 'one' };
            await once(ctx.signal, 'abort');
            ctx.signal.throwIfAborted();
          } finally {
            ended += 1;
          }
        },
      },
    });
    const stream = client.streams.GetContainerEvents({});
    for await (const event of stream) {
      assert.equal(event.container_id, 'one');
      break;
    }
    stream.cancel();
    await until('the handler has ended', () => ended === 1);
    assert.equal((signal?.reason as CriError).code, Code.CANCELLED);
  });

  it('ends endless streams at once when the server stops', async (t) => {
    const { client, server } = await serveCri(t, {
      streams: {
        async *GetContainerEvents(_request: unknown, ctx: CallContext) {
          yield { container_id: 'one' };
          await once(ctx.signal, 'abort');
          ctx.signal.throwIfAborted();
        },
      },
    });
    const stream = client.streams.GetContainerEvents({});
    const reading = (async () => {
      for await (const event of stream) assert.equal(event.container_id, 'one');
    })();
    await stream.opened;
    const startedMs = performance.now();
    const [left] = await Promise.all([
      server.stop(10_000),
      assert.rejects(reading, { code: Code.UNAVAILABLE, details: 'cridock is stopping' }),
    ]);
    assert.equal(left, 0);
    assert.ok(performance.now() - startedMs < 5_000);
  });
});

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const message of stream) assert.ok(message);
}
