import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { createServer, IncomingMessage, type RequestOptions } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { sendRequest } from '../../../src/docker/send-request.js';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { until } from '../../support/until.js';

/** A server that answers 404 with what it was sent, and takes upgrades. */
async function serve(t: TestContext): Promise<number> {
  const server = createServer((request, response) => {
    void text(request).then((body) => response.writeHead(404).end(`${request.method ?? ''} ${body}`));
  });
  server.on('upgrade', (_request, connection: Socket) => {
    connection.end('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst bytes');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function send(options: RequestOptions, hijack = false, body?: string) {
  return new Promise<Awaited<Parameters<Parameters<typeof sendRequest>[4]>[1]>>((resolve, reject) => {
    sendRequest('http', { host: '127.0.0.1', ...options }, { hijack }, body, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });
}

describe('sendRequest', () => {
  it('answers with the response, whatever its status is', async (t) => {
    const port = await serve(t);
    const headers = { 'content-length': 2 };
    const answer = await send({ port, method: 'POST', path: '/x', headers }, false, '{}');
    assert.ok(answer instanceof IncomingMessage);
    assert.deepEqual([answer.statusCode, await text(answer)], [404, 'POST {}']);
  });

  it('answers with the connection of an upgrade, and with what came first', async (t) => {
    const port = await serve(t);
    const answer = await send({ port, headers: { connection: 'Upgrade', upgrade: 'tcp' } }, true);
    assert.ok(answer !== null && !(answer instanceof IncomingMessage));
    assert.equal(await text(answer), 'first bytes');
  });

  it('tells why there is no answer, also of a request that cannot be made', async () => {
    await assert.rejects(send({ port: 1 }), { code: 'ECONNREFUSED' });
    await assert.rejects(send({ port: 1, headers: { 'x-registry-auth': 'a\nb' } }), {
      code: 'ERR_INVALID_CHAR',
    });
  });

  it('gives up when the signal says so, before the answer and within it', async (t) => {
    const server = createServer((request, response) => {
      if (request.url === '/begins') response.write('{');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const reason = new CriError(Code.DEADLINE_EXCEEDED, 'the caller has gone');

    const before = new AbortController();
    const waiting = send({ port, path: '/hangs', signal: before.signal });
    await once(server, 'request');
    before.abort(reason);
    await assert.rejects(waiting, reason);
    await assert.rejects(send({ port, signal: before.signal }), reason);

    const within = new AbortController();
    const answer = await send({ port, path: '/begins', signal: within.signal });
    assert.ok(answer instanceof IncomingMessage);
    const reading = text(answer);
    within.abort(reason);
    await assert.rejects(reading, { code: 'ECONNRESET' });
  });

  it('has no use for the signal once the response is read or the connection handed over', async (t) => {
    const port = await serve(t);
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, 'abort').length;
    const answer = await send({ port, signal });
    assert.ok(answer instanceof IncomingMessage);
    assert.equal(listeners(), 1);
    await text(answer);
    await until('the end of the request', () => listeners() === 0);
    await assert.rejects(send({ port: 1, signal }));
    await until('the end of the request', () => listeners() === 0);

    const controller = new AbortController();
    const headers = { connection: 'Upgrade', upgrade: 'tcp' };
    const connection = await send({ port, headers, signal: controller.signal }, true);
    assert.ok(connection !== null && !(connection instanceof IncomingMessage));
    controller.abort();
    assert.equal(await text(connection), 'first bytes');
  });

  it('shows no request to whoever sets DEBUG', () => {
    const transport = new URL('../../../src/docker/transport.js', import.meta.url).href;
    const program = `
      import { Transport } from ${JSON.stringify(transport)};
      const transport = new Transport({ kind: 'unix', socketPath: '/nonexistent' });
      const headers = { 'X-Registry-Auth': 'hunter2' };
      await transport.send({ method: 'POST', path: '/images/create', headers }).catch((error) => console.log(error.code));`;
    const output = execFileSync(
      'sh',
      ['-c', 'exec "$0" --input-type=module -e "$1" 2>&1', process.execPath, program],
      {
        encoding: 'utf8',
        env: { ...process.env, DEBUG: '*' },
      },
    );
    assert.match(output, /ENOENT/);
    assert.doesNotMatch(output, /hunter2/);
  });
});
