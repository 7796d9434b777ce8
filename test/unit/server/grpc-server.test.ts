import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallContext } from '../../../src/util/call-context.js';
import { Code, CriError, hasCode } from '../../../src/util/cri-error.js';
import { EncodedReply } from '../../../src/util/encoded-reply.js';
import { silentMetrics } from '../../../src/util/metrics-sink.js';
import { protocol, serveCri } from '../../support/cri-fixture.js';
import { until } from '../../support/until.js';
import { grpcFrame, postGrpc } from '../../support/wire.js';

const VERSION = '/runtime.v1.RuntimeService/Version';
const RUN = '/runtime.v1.RuntimeService/RunPodSandbox';

/** A handler that waits for its signal and takes note of it. */
class Patient {
  started = 0;
  reason: unknown;

  readonly handle = async (_request: unknown, { signal }: CallContext): Promise<never> => {
    this.started += 1;
    if (!signal.aborted) await once(signal, 'abort');
    this.reason = signal.reason;
    throw new Error('gave up');
  };
}

describe('CriServer', () => {
  it('answers with what the handler returns, and decodes with defaults', async (t) => {
    const { client } = await serveCri(t, {
      runtime: {
        Version: ({ version }) => Promise.resolve({ version, runtime_name: 'test' }),
        ListContainers: ({ filter }) =>
          Promise.resolve({
            containers: [{ id: filter === null ? 'unset' : 'set', created_at: '9007199254740993' }],
          }),
      },
      image: { PullImage: ({ image }) => Promise.resolve({ image_ref: image?.image ?? '' }) },
    });
    const version = await client.runtime.Version({ version: 'v1' });
    assert.deepEqual([version.version, version.runtime_name], ['v1', 'test']);
    const { containers } = await client.runtime.ListContainers({});
    assert.deepEqual([containers[0]?.id, containers[0]?.created_at], ['unset', '9007199254740993']);
    assert.equal((await client.image.PullImage({ image: { image: 'a:1' } })).image_ref, 'a:1');
  });

  it('passes encoded replies through, and parts of a list can be joined', async (t) => {
    const parts = ['one', 'two'].map((id) =>
      protocol.encodeReply('ListContainers', { containers: [{ id }] }),
    );
    const { client } = await serveCri(t, {
      runtime: { ListContainers: () => Promise.resolve(new EncodedReply(Buffer.concat(parts))) },
    });
    const { containers } = await client.runtime.ListContainers({});
    assert.deepEqual(
      containers.map(({ id }) => id),
      ['one', 'two'],
    );
  });

  it('turns a CriError into its status, with the message as it is', async (t) => {
    const message = 'sandbox "abc" not found: 100 % \n größer \ud800';
    const { client, log } = await serveCri(t, {
      runtime: { PodSandboxStatus: () => Promise.reject(new CriError(Code.NOT_FOUND, message)) },
    });
    await assert.rejects(client.runtime.PodSandboxStatus({ pod_sandbox_id: 'abc' }), {
      code: Code.NOT_FOUND,
      details: message.replace('\ud800', '\ufffd'),
    });
    const line = log.lines.find(({ message: text }) => text === 'call failed');
    assert.equal(line?.level, 'warn');
    assert.equal(line.fields['rpc'], 'PodSandboxStatus');
    assert.equal(line.fields['code'], 'NOT_FOUND');
    assert.equal(line.fields['subject'], 'abc');
  });

  it('cuts a message that would not fit into the headers', async (t) => {
    const { client } = await serveCri(t, {
      runtime: { Version: () => Promise.reject(new CriError(Code.UNKNOWN, 'ü'.repeat(200_000))) },
    });
    await assert.rejects(client.runtime.Version({}), {
      code: Code.UNKNOWN,
      details: `${'ü'.repeat(4096)}...`,
    });
  });

  const accidents: [string, () => Promise<never>][] = [
    ['a rejection', () => Promise.reject(new TypeError('secret detail'))],
    [
      'a synchronous throw',
      () => {
        throw new TypeError('secret detail');
      },
    ],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- anything may be thrown
    ['something that is no Error', () => Promise.reject(undefined)],
  ];
  for (const [what, handler] of accidents) {
    it(`answers INTERNAL without details to ${what}, and goes on`, async (t) => {
      const { client, log } = await serveCri(t, {
        runtime: { Version: handler, Status: () => Promise.resolve({}) },
      });
      await assert.rejects(client.runtime.Version({}), {
        code: Code.INTERNAL,
        details: 'internal error in Version; the log has the details',
      });
      assert.ok(log.lines.some(({ level, fields }) => level === 'error' && 'error' in fields));
      await client.runtime.Status({});
    });
  }

  it('answers INTERNAL, and logs, when a reply cannot be encoded', async (t) => {
    const broken = { containers: 7 } as unknown as { containers: [] };
    const { client, log } = await serveCri(t, { runtime: { ListContainers: () => Promise.resolve(broken) } });
    await assert.rejects(client.runtime.ListContainers({}), { code: Code.INTERNAL });
    assert.ok(log.lines.some(({ level }) => level === 'error'));
  });

  it('answers UNIMPLEMENTED for RPCs without a handler, streams and unknown ones too', async (t) => {
    const { client } = await serveCri(t, {});
    await assert.rejects(client.runtime.ExecSync({}), {
      code: Code.UNIMPLEMENTED,
      details: 'ExecSync is not implemented',
    });
    await assert.rejects(client.image.ListImages({}), { code: Code.UNIMPLEMENTED });
    await assert.rejects(client.rawCall('/runtime.v1.RuntimeService/GetContainerEvents', Buffer.alloc(0)), {
      code: Code.UNIMPLEMENTED,
      details: 'GetContainerEvents is not implemented',
    });
    await assert.rejects(client.rawCall('/runtime.v1alpha2.RuntimeService/Version', Buffer.alloc(0)), {
      code: Code.UNIMPLEMENTED,
    });
  });

  it('refuses malformed and non-UTF-8 requests with INVALID_ARGUMENT', async (t) => {
    const { client } = await serveCri(t, { runtime: { RunPodSandbox: () => Promise.resolve({}) } });
    await assert.rejects(client.rawCall(RUN, Buffer.from([0x0a, 0xff])), {
      code: Code.INVALID_ARGUMENT,
      details: /RunPodSandbox request: malformed protobuf/,
    });
    await assert.rejects(client.rawCall(RUN, Buffer.from([0x12, 2, 0x61, 0xff])), {
      code: Code.INVALID_ARGUMENT,
      details: 'runtime_handler: not valid UTF-8',
    });
  });

  it("takes requests of more than gRPC's usual 4 MiB, but not of more than 16 MiB", async (t) => {
    const { client } = await serveCri(t, {
      runtime: { Version: ({ version }) => Promise.resolve({ runtime_name: String(version.length) }) },
    });
    const mebibyte = 1024 * 1024;
    const reply = await client.runtime.Version({ version: 'x'.repeat(15 * mebibyte) });
    assert.equal(reply.runtime_name, String(15 * mebibyte));
    const tooMuch = Buffer.alloc(17 * mebibyte, 'x');
    await assert.rejects(client.rawCall(VERSION, tooMuch), {
      code: Code.RESOURCE_EXHAUSTED,
      details: /Received message larger than max/,
    });
    await client.runtime.Version({});
  });

  it('aborts with CANCELLED when the client gives up', async (t) => {
    const patient = new Patient();
    const { client } = await serveCri(t, { runtime: { StopContainer: patient.handle } });
    const giveUp = new AbortController();
    const call = client.runtime.StopContainer({ container_id: 'c' }, { signal: giveUp.signal });
    const failed = assert.rejects(call, { code: Code.CANCELLED });
    await until('the handler to start', () => patient.started === 1);
    giveUp.abort();
    await failed;
    await until('the handler to end', () => patient.reason !== undefined);
    assert.ok(hasCode(patient.reason, Code.CANCELLED));
  });

  it('aborts with DEADLINE_EXCEEDED at the deadline', async (t) => {
    const patient = new Patient();
    const seen: string[] = [];
    const { client } = await serveCri(t, {
      runtime: { StopContainer: patient.handle },
      metrics: { ...silentMetrics, rpc: (rpc, code) => seen.push(`${rpc} ${code}`) },
    });
    await client.ready(30_000);
    await assert.rejects(client.runtime.StopContainer({}, { timeoutMs: 100 }), {
      code: Code.DEADLINE_EXCEEDED,
    });
    await until('the call to be measured', () => seen.length === 1);
    assert.ok(hasCode(patient.reason, Code.DEADLINE_EXCEEDED));
    assert.deepEqual(seen, ['StopContainer DEADLINE_EXCEEDED']);
  });

  it('takes a deadline that no timer holds as a long one', async (t) => {
    const { client } = await serveCri(t, {
      runtime: { Version: () => delay(20).then(() => ({ runtime_name: 'test' })) },
    });
    // 40 days: as 32 bits of milliseconds a negative number.
    await client.runtime.Version({}, { timeoutMs: 40 * 86_400_000 });
  });

  it('refuses headers that are the fault of the client, and says so in the log', async (t) => {
    const { socketPath, log } = await serveCri(t, { runtime: { Version: () => Promise.resolve({}) } });
    const refusals: [Record<string, string>, number, RegExp][] = [
      [{ 'grpc-timeout': 'soon' }, Code.INVALID_ARGUMENT, /^grpc-timeout/],
      [{ 'grpc-timeout': '-1S' }, Code.INVALID_ARGUMENT, /^grpc-timeout/],
      [{ 'grpc-encoding': 'gzip' }, Code.UNIMPLEMENTED, /^grpc-encoding/],
    ];
    for (const [headers, code, message] of refusals) {
      const compressed = grpcFrame(Buffer.from('no gzip'), { flag: 1 });
      const { grpcStatus, grpcMessage } = await postGrpc(socketPath, VERSION, compressed, headers);
      assert.equal(grpcStatus, code);
      assert.match(grpcMessage, message);
      assert.equal(log.lines.at(-1)?.message, 'call refused');
    }
    const fine = { 'grpc-timeout': '5S', 'grpc-encoding': 'identity' };
    assert.equal((await postGrpc(socketPath, VERSION, grpcFrame(Buffer.alloc(0)), fine)).grpcStatus, 0);
  });

  it('survives clients that vanish in the middle of a call, or talk nonsense', async (t) => {
    const patient = new Patient();
    const { client, socketPath, log } = await serveCri(t, {
      runtime: { StopContainer: patient.handle, Version: () => Promise.resolve({}) },
    });
    const vanishing = http2.connect('http://localhost', { createConnection: () => connect(socketPath) });
    vanishing.on('error', () => undefined);
    const stream = vanishing.request({
      ':method': 'POST',
      ':path': '/runtime.v1.RuntimeService/StopContainer',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    stream.end(Buffer.alloc(5)); // an empty message
    await until('the handler to start', () => patient.started === 1);
    vanishing.destroy();
    await until('the handler to end', () => patient.reason !== undefined);
    assert.ok(hasCode(patient.reason, Code.CANCELLED));

    for (const nonsense of [
      'GET / HTTP/1.1\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff garbage',
    ]) {
      const socket = connect(socketPath);
      socket.on('error', () => undefined);
      socket.end(nonsense, 'latin1');
      socket.resume();
      await once(socket, 'close');
    }
    await client.runtime.Version({});
    assert.ok(!log.lines.some(({ level }) => level === 'error'));
  });

  it('logs reads and probes at debug and changes at info, requests only at debug', async (t) => {
    const { client, log } = await serveCri(t, {
      runtime: {
        ListContainers: () => Promise.resolve({}),
        ContainerStatus: () => Promise.resolve({}),
        ExecSync: () => Promise.resolve({}),
        RemoveContainer: () => Promise.resolve({}),
      },
    });
    await client.runtime.ListContainers({});
    await client.runtime.ContainerStatus({ container_id: 'c' });
    await client.runtime.ExecSync({ container_id: 'c' });
    await client.runtime.RemoveContainer({ container_id: 'c' });
    await until(
      'all to be logged',
      () => log.lines.filter(({ message }) => message === 'request').length === 4,
    );
    const calls = log.lines.filter(({ message }) => message === 'call');
    assert.deepEqual(
      calls.map(({ level, fields }) => [level, fields['rpc'], fields['code'], fields['subject']]),
      [
        ['debug', 'ListContainers', 'OK', undefined],
        ['debug', 'ContainerStatus', 'OK', 'c'],
        ['debug', 'ExecSync', 'OK', 'c'],
        ['info', 'RemoveContainer', 'OK', 'c'],
      ],
    );
    assert.ok(log.lines.every(({ level, fields }) => level === 'debug' || !('request' in fields)));
  });
});

describe('CriServer.stop', () => {
  it('lets calls in flight finish', async (t) => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    let started = false;
    const { server, client, socketPath } = await serveCri(t, {
      runtime: {
        Version: async () => {
          started = true;
          await finished;
          return { runtime_name: 'late' };
        },
      },
    });
    const call = client.runtime.Version({});
    await until('the call to start', () => started);
    const stopped = server.stop(10_000);
    await until('the socket to be gone', () => !existsSync(socketPath));
    finish();
    assert.equal((await call).runtime_name, 'late');
    assert.equal(await stopped, 0);
    await assert.rejects(client.runtime.Version({}), { code: Code.UNAVAILABLE });
  });

  it('aborts the calls that outlive the grace period, and waits for what they clean up', async (t) => {
    const patient = new Patient();
    const { server, client } = await serveCri(t, { runtime: { StopContainer: patient.handle } });
    const call = assert.rejects(client.runtime.StopContainer({}));
    await until('the handler to start', () => patient.started === 1);
    assert.equal(await server.stop(50), 0);
    assert.ok(hasCode(patient.reason, Code.CANCELLED));
    await call;
  });

  it('is not held up by idle connections', async (t) => {
    const { server, client } = await serveCri(t, { runtime: { Version: () => Promise.resolve({}) } });
    await client.runtime.Version({});
    const startedAtMs = performance.now();
    await server.stop(10_000);
    assert.ok(performance.now() - startedAtMs < 5_000);
  });
});
