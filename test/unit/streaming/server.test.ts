import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import tls from 'node:tls';
import { StreamingServer, type Negotiate } from '../../../src/streaming/server.js';
import { silentLogger } from '../../../src/util/log.js';
import { silentMetrics } from '../../../src/util/metrics-sink.js';
import { captureLog } from '../../support/captured-log.js';
import { Refused, upgrade } from '../../support/spdy-client.js';
import { EXEC, serveStreaming } from '../../support/streaming-fixture.js';

/** Says hello and goes. */
const hello: Negotiate = () => async (socket) => {
  socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nhello');
  return Promise.resolve();
};
const asked = { Upgrade: 'test' };

describe('StreamingServer', () => {
  it('gives absolute URLs that work once', async (t) => {
    const { server, refused } = await serveStreaming(t, hello);
    const url = server.urlFor(EXEC);
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/cri\/exec\/[0-9a-f]{32}$/);
    const { socket, head } = await upgrade(url, asked);
    assert.equal(head.toString(), 'hello');
    socket.destroy();
    await assert.rejects(upgrade(url, asked), { status: 404 });
    await assert.rejects(upgrade(url.replace(/.{32}$/, 'f'.repeat(32)), asked), { status: 404 });
    const other = server.urlFor(EXEC);
    await assert.rejects(upgrade(other.replace('/exec/', '/attach/'), asked), { status: 404 });
    await assert.rejects(upgrade(`${other}/x`, asked), { status: 404 });
    await assert.rejects(upgrade(other, asked, 'PUT'), { status: 405 });
    assert.deepEqual(refused, ['token', 'token', 'token', 'token', 'protocol']);
    (await upgrade(other, asked, 'GET')).socket.destroy();
  });

  it('answers expired tokens with 404, and counts them', async (t) => {
    const { server, refused } = await serveStreaming(t, hello);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const url = server.urlFor(EXEC);
    t.mock.timers.tick(60_000);
    t.mock.timers.reset();
    await assert.rejects(upgrade(url, asked), { status: 404 });
    assert.deepEqual(refused, ['token']);
  });

  it('serves whatever comes by way of a kubelet: any origin, any name, headers as large as Go takes them', async (t) => {
    const { server, refused } = await serveStreaming(t, hello);
    const many = Object.fromEntries(Array.from({ length: 2_500 }, (_, index) => [`X-Proxy-${index}`, 'x']));
    for (const headers of [
      { Origin: 'http://localhost' },
      { Origin: 'https://console.example:8443', Host: 'node-1:10250' },
      { Origin: 'null', Host: '[fd00::1]:10250' },
      { Origin: ['https://a.example', 'https://b.example'] },
      { Cookie: 'c'.repeat(900_000) },
      many,
    ]) {
      const { socket, head } = await upgrade(server.urlFor(EXEC), { ...headers, ...asked });
      assert.equal(head.toString(), 'hello');
      socket.destroy();
    }
    assert.deepEqual(refused, []);
  });

  it('answers plain requests with 404 and keeps the token', async (t) => {
    const { server } = await serveStreaming(t, hello);
    const url = server.urlFor(EXEC);
    const status = await new Promise((resolve) => http.get(url, ({ statusCode }) => resolve(statusCode)));
    assert.equal(status, 404);
    (await upgrade(url, asked)).socket.destroy();
  });

  it('ends sessions when it stops', async () => {
    let stopped = false;
    const waiting: Negotiate = () => async (socket, _head, stop) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n');
      await new Promise((resolve) => stop.addEventListener('abort', resolve));
      stopped = true;
      socket.destroy();
    };
    const options = { host: '127.0.0.1', port: 0, tls: undefined, negotiate: waiting };
    const server = new StreamingServer({ ...options, log: silentLogger, metrics: silentMetrics });
    await server.start();
    const { socket } = await upgrade(server.urlFor(EXEC), asked);
    socket.on('error', () => undefined);
    const url = server.urlFor(EXEC);
    await server.stop();
    assert.ok(stopped);
    await assert.rejects(upgrade(url, asked), { code: 'ECONNREFUSED' });
  });

  it('leaves a session behind that does not end when it stops, as where the Engine does not answer', async () => {
    const endless: Negotiate = () => (socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n');
      return new Promise(() => undefined);
    };
    const log = captureLog();
    const options = { host: '127.0.0.1', port: 0, tls: undefined, negotiate: endless, log };
    const stopTimes = { goodbyeMs: 1, lingerMs: 1, endMs: 1 };
    const server = new StreamingServer({ ...options, metrics: silentMetrics, stopTimes });
    await server.start();
    const { socket } = await upgrade(server.urlFor(EXEC), asked);
    const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    await server.stop();
    await closed;
    assert.deepEqual(log.lines.at(-1)?.fields, { sessions: 1 });
  });

  it('serves TLS, and a new certificate without a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-tls-'));
    const certify = (name: string) => {
      const [keyFile, certFile] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
      const subject = [
        '-subj',
        `/CN=${name}`,
        '-days',
        '2',
        '-nodes',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
      ];
      execFileSync('openssl', ['req', '-x509', ...subject, '-keyout', keyFile, '-out', certFile], {
        stdio: 'ignore',
      });
      return { keyFile, certFile };
    };
    const files = certify('first');
    const options = { host: '127.0.0.1', port: 0, tls: files, negotiate: hello };
    const server = new StreamingServer({ ...options, log: silentLogger, metrics: silentMetrics });
    await server.start();
    const name = async (url: string) => {
      const request = https.request(url, {
        rejectUnauthorized: false,
        agent: false,
        headers: { Connection: 'Upgrade', ...asked },
      });
      request.end();
      return new Promise((resolve, reject) => {
        request.on('error', reject);
        request.on('upgrade', (_response, socket) => {
          assert.ok(socket instanceof tls.TLSSocket);
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        });
      });
    };
    const url = server.urlFor(EXEC);
    assert.match(url, /^https:/);
    assert.equal(await name(url), 'first');
    const next = certify('second');
    renameSync(next.keyFile, files.keyFile);
    server.urlFor(EXEC); // key and certificate do not fit now: the old pair stays
    renameSync(next.certFile, files.certFile);
    assert.equal(await name(server.urlFor(EXEC)), 'second');
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  it('refuses with a reason that can be read', async (t) => {
    const { server } = await serveStreaming(t, () => ({ status: 400, message: 'because' }));
    await assert.rejects(
      upgrade(server.urlFor(EXEC), asked),
      (error) => error instanceof Refused && error.message === 'HTTP 400: because',
    );
  });
});
