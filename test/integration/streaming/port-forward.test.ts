import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { NamespaceMode } from '../../../src/gen/runtime/v1/NamespaceMode.js';
import { messageOf } from '../../../src/util/cri-error.js';
import { allInTurn } from '../../support/all-in-turn.js';
import { noEngine, startCridock, type CridockProcess } from '../../support/cridock-process.js';
import { serveInNetns, type NetnsServer } from '../../support/netns-server.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';
import { podConfig } from '../../support/pods.js';
import { SpdyClient, upgrade, type ClientStream } from '../../support/spdy-client.js';
import { WEBSOCKET_UPGRADE } from '../../support/streaming-fixture.js';
import { childrenOf } from '../../support/process-holdings.js';
import { until } from '../../support/until.js';

const PROTOCOL = 'portforward.k8s.io';

interface Forwarded {
  data: ClientStream;
  /** What came on the error stream until its end. */
  error: Promise<string>;
}

describe('port-forward', { skip: noEngine }, () => {
  let cridock: CridockProcess;
  let pod: MadePod;
  /** cridock's PATH. */
  let tools = '';
  let v4: NetnsServer;
  /** Undefined where the pod has no ::1: Engines before 27 switch IPv6 off in pods. */
  let v6: NetnsServer | undefined;
  let requests = 0;

  const url = async (sandboxId: string, port: number[] = []) =>
    (await cridock.client.runtime.PortForward({ pod_sandbox_id: sandboxId, port })).url;
  const connect = async (sandboxId = pod.sandboxId) => SpdyClient.connect(await url(sandboxId), PROTOCOL);
  const open = async (client: SpdyClient, port: number): Promise<Forwarded> => {
    const headers = { port: String(port), requestid: String((requests += 1)) };
    const error = await client.open({ ...headers, streamtype: 'error' });
    const text = error.bytes().then(String);
    text.catch(() => undefined);
    await error.end();
    return { data: await client.open({ ...headers, streamtype: 'data' }), error: text };
  };
  const helpers = () => childrenOf(cridock.pid);
  const pidOf = async (sandboxId: string): Promise<number> => {
    const { info } = await cridock.client.runtime.PodSandboxStatus({
      pod_sandbox_id: sandboxId,
      verbose: true,
    });
    return (JSON.parse(info['info'] ?? '{}') as { pid: number }).pid;
  };
  const echo = async ({ data, error }: Forwarded, bytes: Buffer) => {
    const reply = data.bytes();
    for (let at = 0; at < bytes.length; at += 30_000) await data.write(bytes.subarray(at, at + 30_000));
    await data.end();
    assert.equal(digest(await reply), digest(Buffer.concat([bytes, Buffer.from('end')])));
    assert.equal(await error, '');
  };

  before(async () => {
    tools = nsenterAlone();
    cridock = await startCridock({ flags: ['--log-level=info'], env: { PATH: tools } });
    const spec = { name: 'forward', image: 'busybox:latest', directory: cridock.directory, containers: 0 };
    pod = await makePod(cridock.client, spec);
    const pid = await pidOf(pod.sandboxId);
    v4 = await serveInNetns(pid, '127.0.0.1');
    const hasIpv6 = /^0{31}1 .* lo$/m.test(readFileSync(`/proc/${pid}/net/if_inet6`, 'utf8'));
    if (hasIpv6) v6 = await serveInNetns(pid, '::1');
  });
  after(async () => {
    await allInTurn(
      () => v4.stop(),
      () => v6?.stop(),
      () => removePod(cridock.client, pod),
      () => cridock.stop(),
      () => rmSync(tools, { recursive: true }),
    );
  });

  it('reaches servers on 127.0.0.1 only and on ::1 only, with one helper, which ends with the session', async (t) => {
    const client = await connect();
    await echo(await open(client, v4.port), Buffer.from('hello'));
    if (v6 === undefined) t.diagnostic('no ::1 in pods of this Engine: only 127.0.0.1 was tried');
    else await echo(await open(client, v6.port), randomBytes(100_000));
    assert.equal(helpers(), 1);
    client.destroy();
    await until('the helper is gone', () => helpers() === 0);
  });

  it('carries 200 connections at a time, 200 KB each way', async () => {
    const client = await connect();
    const bytes = randomBytes(200_000);
    await Promise.all(Array.from({ length: 200 }, async () => echo(await open(client, v4.port), bytes)));
    client.destroy();
  });

  it('keeps banners of servers that speak first', async () => {
    const banner = await serveInNetns(await pidOf(pod.sandboxId), '127.0.0.1', 'banner');
    const client = await connect();
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const { data, error } = await open(client, banner.port);
        assert.equal((await data.bytes()).toString(), 'banner');
        await data.sendReset();
        assert.equal(await error, '');
      }),
    );
    client.destroy();
    await banner.stop();
  });

  it('tells why a connection cannot be made, or breaks, and goes on with others', async () => {
    const abrupt = await serveInNetns(await pidOf(pod.sandboxId), '127.0.0.1', 'abrupt');
    const client = await connect();
    assert.match(
      await (
        await open(client, 1)
      ).error,
      /^port 1: .*ECONNREFUSED 127\.0\.0\.1:1.*(ECONNREFUSED|EADDRNOTAVAIL) ::1:1/,
    );
    const broken = await open(client, abrupt.port);
    await broken.data.write(Buffer.from('x'));
    assert.match(await broken.error, /ECONNRESET/);
    await echo(await open(client, v4.port), Buffer.from('still'));
    client.destroy();
    await abrupt.stop();
  });

  it('pairs streams of clients that do not name their requests, and refuses nonsense', async () => {
    const client = await connect();
    const error = await client.open({ streamtype: 'error', port: String(v4.port) });
    const data = await client.open({ streamtype: 'data', port: String(v4.port) });
    await echo({ data, error: error.bytes().then(String) }, Buffer.from('old'));
    for (const headers of [
      { streamtype: 'data', port: '0' },
      { streamtype: 'what', port: '80' },
      { port: '80' },
    ]) {
      const stream = await client.open(headers);
      await until('it is reset', () => stream.reset);
    }
    client.destroy();
  });

  it('forwards into the host network for pods that are in it', async () => {
    const server = net
      .createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
      .listen(0, '127.0.0.1');
    await once(server, 'listening');
    const namespaces = { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.POD };
    const config = podConfig('forward-host', cridock.directory, {
      linux: { security_context: { namespace_options: namespaces } },
    });
    const { pod_sandbox_id: sandboxId } = await cridock.client.runtime.RunPodSandbox({ config });
    await until('the helpers of others to be gone', () => helpers() === 0);
    const client = await connect(sandboxId);
    const { data, error } = await open(client, (server.address() as AddressInfo).port);
    const reply = data.bytes();
    await data.write(Buffer.from('host'));
    await data.end();
    assert.equal((await reply).toString(), 'host');
    assert.equal(await error, '');
    assert.equal(helpers(), 0);
    client.destroy();
    await removePod(cridock.client, { sandboxId, containerIds: [] });
    server.close();
  });

  it('answers a tunnel with its name, which holds a slash', async () => {
    const { socket, response } = await upgrade(
      await url(pod.sandboxId),
      {
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
        'Sec-WebSocket-Protocol': 'SPDY/3.1+portforward.k8s.io',
      },
      'GET',
    );
    assert.equal(response.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io');
    // A binary message with a SPDY ping in it, masked with zeros; the same comes back in one that is not.
    const ping = Buffer.from('800300060000000400000001', 'hex');
    const reply = once(socket, 'data');
    socket.write(Buffer.concat([Buffer.of(0x82, 0x80 | ping.length, 0, 0, 0, 0), ping]));
    assert.deepEqual((await reply)[0], Buffer.concat([Buffer.of(0x82, ping.length), ping]));
    socket.destroy();
  });

  it('speaks WebSocket channels, two for each port', async () => {
    const ports = [v4.port, 1];
    const socket = new WebSocket(
      (await url(pod.sandboxId, ports)).replace(/^http/, 'ws'),
      'v4.channel.k8s.io',
    );
    const seen = new Map<number, Buffer>();
    socket.on('message', (message: Buffer) => {
      const channel = message[0] ?? 0;
      seen.set(channel, Buffer.concat([seen.get(channel) ?? Buffer.alloc(0), message.subarray(1)]));
    });
    await once(socket, 'open');
    socket.send(Buffer.from('\0hello'));
    const greeting = (index: number) => Buffer.of((ports[index] ?? 0) & 255, (ports[index] ?? 0) >> 8);
    await until('the echo', () => seen.get(0)?.length === 7);
    assert.deepEqual(seen.get(0), Buffer.concat([greeting(0), Buffer.from('hello')]));
    await until('the refusal', () => (seen.get(3)?.length ?? 0) > 2);
    assert.deepEqual(seen.get(1), greeting(0));
    assert.deepEqual(seen.get(3)?.subarray(0, 2), greeting(1));
    assert.match(String(seen.get(3)), /ECONNREFUSED/);
    const closed = once(socket, 'close');
    socket.close();
    await closed;
    await until('the helper is gone', () => helpers() === 0);
  });

  it('refuses more ports over WebSocket than there are channels', async () => {
    const refusal = async (count: number, protocol: string) => {
      const ports = Array.from({ length: count }, (_, index) => index + 1);
      const headers = { ...WEBSOCKET_UPGRADE, 'Sec-WebSocket-Protocol': protocol };
      const refused = upgrade(await url(pod.sandboxId, ports), headers, 'GET');
      return refused.then(
        ({ socket }) => void socket.destroy(),
        (error: unknown) => messageOf(error),
      );
    };
    assert.equal(await refusal(128, 'v4.channel.k8s.io'), undefined);
    assert.match((await refusal(129, 'v4.channel.k8s.io')) ?? '', /HTTP 400: 129 ports .* WebSocket/);
    assert.match((await refusal(6, 'v4.base64.channel.k8s.io')) ?? '', /HTTP 400: 6 ports .* WebSocket/);
    assert.equal(await refusal(129, 'SPDY/3.1+portforward.k8s.io'), undefined);
    await until('the helpers are gone', () => helpers() === 0);
  });

  it('shares one small helper among many sessions and pods', async () => {
    const spec = { name: 'forward-2', image: 'busybox:latest', directory: cridock.directory, containers: 0 };
    const other = await makePod(cridock.client, spec);
    const second = await serveInNetns(await pidOf(other.sandboxId), '127.0.0.1');
    const clients: SpdyClient[] = [];
    for (let count = 0; count < 20; count += 1) {
      const isFirst = count % 2 === 0;
      const client = await connect(isFirst ? pod.sandboxId : other.sandboxId);
      await echo(await open(client, isFirst ? v4.port : second.port), Buffer.from('hello'));
      clients.push(client);
    }
    assert.equal(helpers(), 1);
    for (const client of clients) client.destroy();
    await until('the helper is gone', () => helpers() === 0);
    await second.stop();
    await removePod(cridock.client, other);
  });
});

/** A folder with a link to nsenter: all that port-forward needs of the host. */
function nsenterAlone(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cridock-tools-'));
  const folders = (process.env['PATH'] ?? '').split(':');
  const nsenter = folders.map((path) => join(path, 'nsenter')).find((path) => existsSync(path));
  symlinkSync(nsenter ?? assert.fail('no nsenter on PATH'), join(folder, 'nsenter'));
  return folder;
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
