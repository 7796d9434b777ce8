import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import http from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { answerJson, EngineServer } from '../../support/engine-server.js';
import { until } from '../../support/until.js';

describe('a session with the Engine', () => {
  let server: EngineServer;
  let engine: DockerodeEngine;

  const agreed = () => engine.negotiated?.apiVersion;

  beforeEach(async () => {
    server = await EngineServer.start();
    engine = new DockerodeEngine({ endpoint: server.endpoint, env: {}, log: silentLogger });
  });
  afterEach(async () => {
    engine.close();
    await server[Symbol.asyncDispose]();
  });

  it('begins with one handshake for all calls that wait, and prefixes paths', async () => {
    await Promise.all([engine.info(), engine.info(), engine.inspectContainer('a')]);
    const [first, ...others] = server.requests;
    assert.equal(first, 'GET /version');
    assert.deepEqual(others.toSorted(), [
      'GET /v1.47/containers/a/json',
      'GET /v1.47/info',
      'GET /v1.47/info',
    ]);
    assert.ok(engine.supports('1.47'));
    assert.ok(!engine.supports('1.48'));
  });

  it('gives a read up after the configured time, and a change after four times that', async () => {
    const impatient = new DockerodeEngine({
      endpoint: server.endpoint,
      env: {},
      log: silentLogger,
      requestTimeoutMs: 200,
    });
    await impatient.negotiate();
    server.answer = (request, response) => {
      if (request.url?.includes('/create')) setTimeout(() => answerJson(response, 201, { Id: 'made' }), 300);
    };
    const hung = { code: Code.DEADLINE_EXCEEDED };
    await assert.rejects(impatient.info(), hung);
    await assert.rejects(impatient.statPath('id', '/'), hung);
    assert.equal(await impatient.createContainer('slow', { Image: 'x', HostConfig: {} }), 'made');
    const startMs = performance.now();
    await assert.rejects(impatient.startContainer('id'), hung);
    assert.ok(performance.now() - startMs >= 790);
    await assert.rejects(impatient.stopContainer('id', 1), hung);
    assert.ok(performance.now() - startMs >= 2 * 790 + 1000, 'after its own grace');
    impatient.close();
  });

  it('refuses Engines outside the window, and looks again at the next call', async () => {
    server.apiVersion = '1.40';
    await assert.rejects(engine.info(), {
      code: Code.FAILED_PRECONDITION,
      message: /1\.24 to 1\.40.*1\.41 to 1\.55/,
    });
    assert.equal(agreed(), undefined);
    Object.assign(server, { apiVersion: '1.60', minApiVersion: '1.56' });
    await assert.rejects(engine.info(), { code: Code.FAILED_PRECONDITION });
    Object.assign(server, { apiVersion: '1.60', minApiVersion: '1.44' });
    await engine.info();
    assert.equal(agreed(), '1.55');
  });

  it('negotiates anew when the Api-Version header changes', async () => {
    await engine.info();
    server.apiVersion = '1.51';
    await engine.info();
    assert.equal(agreed(), undefined);
    await engine.info();
    assert.equal(server.requests.at(-1), 'GET /v1.51/info');
    await engine.info();
    assert.equal(server.requests.filter((request) => request === 'GET /version').length, 2);
  });

  it('negotiates anew and repeats once when its version is refused', async () => {
    await engine.info();
    server.apiVersion = '1.41';
    server.answer = (request, response) => {
      if (request.url?.startsWith('/v1.41/') === true) {
        answerJson(response, 201, { Id: 'made' });
        return;
      }
      answerJson(response, 400, {
        message: 'client version 1.47 is too new. Maximum supported API version is 1.41',
      });
    };
    assert.equal(await engine.createContainer('a', { Image: 'i', HostConfig: {} }), 'made');
    server.answer = (_request, response) =>
      answerJson(response, 400, { message: 'client version 1.41 is too old.' });
    await assert.rejects(engine.info(), { code: Code.INVALID_ARGUMENT });
    assert.deepEqual(server.requests.slice(-3), ['GET /v1.41/info', 'GET /version', 'GET /v1.41/info']);
  });

  it('repeats what may be repeated once when a connection is reset before an answer', async () => {
    await engine.info();
    let resets = 1;
    server.answer = (request, response) => {
      if (resets-- > 0) request.socket.destroy();
      else answerJson(response, 200, {});
    };
    await engine.info();
    assert.deepEqual(server.requests.slice(1), [
      'GET /v1.47/info',
      'GET /v1.47/info',
      'GET /version',
      'GET /v1.47/info',
    ]);
    for (const call of [
      () => engine.startContainer('a'),
      () => engine.stopContainer('a', 1),
      () => engine.updateContainer('a', {}),
      () => engine.removeContainer('a'),
    ]) {
      resets = 1;
      await call();
    }
    resets = 2;
    await assert.rejects(engine.info(), { code: Code.UNAVAILABLE });
    assert.equal(agreed(), undefined);
  });

  it('never repeats a creation', async () => {
    server.answer = (request) => request.socket.destroy();
    const creation = engine.createContainer('a', { Image: 'i', HostConfig: {} });
    await assert.rejects(creation, { code: Code.UNAVAILABLE });
    assert.equal(server.requests.filter((request) => request.startsWith('POST ')).length, 1);
  });

  it('says UNAVAILABLE while nobody listens, and heals', async () => {
    await engine.info();
    await server.close();
    await assert.rejects(engine.info(), {
      code: Code.UNAVAILABLE,
      message: /^Docker Engine at unix:.*ENOENT/,
    });
    assert.equal(agreed(), undefined);
    await server.listen();
    await engine.info();
    assert.equal(agreed(), '1.47');
  });

  it('fails, and does not hang, when the connection breaks within an answer', async () => {
    server.answer = (request, response) => {
      response.setHeader('Content-Length', '1000');
      response.write('{"ID":', () => request.socket.destroy());
    };
    await assert.rejects(engine.info(), { code: Code.UNAVAILABLE });
    server.answer = (request, response) => {
      response.statusCode = 500;
      response.setHeader('Content-Length', '1000');
      response.write('{"message":', () => request.socket.destroy());
    };
    await assert.rejects(engine.createContainer('a', { Image: 'i', HostConfig: {} }), {
      code: Code.UNAVAILABLE,
    });
  });

  it('says INTERNAL for an answer that is not JSON', async () => {
    server.answer = (_request, response) => response.end('<html>');
    await assert.rejects(engine.info(), { code: Code.INTERNAL, message: /^GET \/info: / });
  });

  it('tells of more changed files than it reads, and keeps what was agreed', async () => {
    await engine.info();
    const million = Buffer.alloc(1024 * 1024, ' ');
    server.answer = (_request, response) => {
      response.on('error', () => undefined);
      for (let count = 0; count < 65; count += 1) response.write(million);
      response.end('[]');
    };
    await assert.rejects(engine.containerChanges('id'), {
      code: Code.RESOURCE_EXHAUSTED,
      message: /longer than 67108864 bytes/,
    });
    assert.equal(agreed(), '1.47');
    server.answer = (_request, response) => response.end('[]');
    assert.deepEqual(await engine.containerChanges('id'), []);
  });

  it('gives up a call at once when its signal says so, and keeps what was agreed', async () => {
    await engine.info();
    const reason = new CriError(Code.DEADLINE_EXCEEDED, 'the caller has gone');
    const controller = new AbortController();
    server.answer = (_request, response) => {
      response.write('{'); // The answer begins and never ends.
      controller.abort(reason);
    };
    await assert.rejects(engine.info({ signal: controller.signal }), reason);
    server.answer = () => undefined;
    await assert.rejects(engine.info({ signal: AbortSignal.timeout(20) }), { code: Code.DEADLINE_EXCEEDED });
    assert.equal(agreed(), '1.47');
  });

  it('gives up a call at once also where it waits for a connection', async () => {
    await engine.info();
    const hanging: http.ServerResponse[] = [];
    server.answer = (_request, response) => void hanging.push(response);
    const others = Array.from({ length: 40 }, () => engine.info());
    await until('all connections in use', () => hanging.length === 32);
    const controller = new AbortController();
    const waiting = engine.info({ signal: controller.signal });
    await new Promise(setImmediate);
    controller.abort();
    await assert.rejects(waiting, { code: Code.CANCELLED });
    server.answer = (_request, response) => response.end('{}');
    for (const response of hanging) response.end('{}');
    await Promise.all(others);
    assert.equal(server.requests.length, 2 + 40, 'and is never sent');
  });

  it('lets one caller leave a handshake that others wait for', async () => {
    const controller = new AbortController();
    const leaving = engine.info({ signal: controller.signal });
    const staying = engine.info();
    controller.abort();
    await assert.rejects(leaving, { code: Code.CANCELLED });
    await staying;
  });

  it('leaves no listener on a signal that outlives the call', async () => {
    const { signal } = new AbortController();
    for (let call = 0; call < 5; call++) await engine.info({ signal });
    await new Promise(setImmediate);
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  it('answers short calls while many long ones wait', async () => {
    const stopped: (() => void)[] = [];
    server.answer = (request, response) => {
      if (request.url?.includes('/stop') === true) stopped.push(() => response.writeHead(204).end());
      else response.end('{}');
    };
    await engine.info();
    const stops = Array.from({ length: 60 }, () => engine.stopContainer('a', 100_000));
    await engine.info();
    while (stopped.length < 60) await new Promise(setImmediate);
    await engine.info();
    for (const end of stopped) end();
    await Promise.all(stops);
  });

  it('uses the endpoint it was given, whatever Docker variables its process has', async () => {
    process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1';
    try {
      const other = new DockerodeEngine({ endpoint: server.endpoint, env: process.env, log: silentLogger });
      await other.info();
      other.close();
    } finally {
      delete process.env['DOCKER_HOST'];
    }
  });

  it('forgets the handshake when the event stream ends', async () => {
    server.answer = (_request, response) => {
      response.write('\n');
      setImmediate(() => response.end());
    };
    let openings = 0;
    await engine.followEvents({
      filters: {},
      onOpen: () => openings++,
      onEvent: () => assert.fail('no event'),
    });
    assert.equal(openings, 1);
    assert.equal(agreed(), undefined);
  });
});

describe('an endpoint over TCP', () => {
  it('is spoken to likewise', async () => {
    const tcp = http.createServer((request, response) => {
      const version = { Version: 't', ApiVersion: '1.45', MinAPIVersion: '1.24' };
      response.end(JSON.stringify(request.url === '/version' ? version : { ID: request.url }));
    });
    tcp.listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const address = tcp.address();
    assert.ok(address !== null && typeof address === 'object');
    const endpoint = `tcp://127.0.0.1:${address.port}`;
    const engine = new DockerodeEngine({ endpoint: '', env: { DOCKER_HOST: endpoint }, log: silentLogger });
    assert.equal((await engine.info()).ID, '/v1.45/info');
    engine.close();
    tcp.close();
  });
});
