import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { Code } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { answerJson, EngineServer } from '../../support/engine-server.js';
import { until } from '../../support/until.js';

describe('DockerodeEngine', () => {
  let server: EngineServer;
  let engine: DockerodeEngine;
  const calls: [string, Code | undefined][] = [];

  beforeEach(async () => {
    server = await EngineServer.start();
    calls.length = 0;
    const onCall = (operation: string, durationMs: number, code: Code | undefined) => {
      assert.ok(durationMs >= 0);
      calls.push([operation, code]);
    };
    engine = new DockerodeEngine({ endpoint: server.endpoint, env: {}, log: silentLogger, onCall });
  });
  afterEach(async () => {
    engine.close();
    await server[Symbol.asyncDispose]();
  });

  it('sends a body as JSON, and none where there is none', async () => {
    const bodies: string[] = [];
    server.answer = (request, response, body) => {
      bodies.push(`${request.headers['content-type'] ?? ''} ${body}`);
      answerJson(response, 201, { Id: 'id' });
    };
    await engine.createContainer('k8s_a b', { Image: 'i', HostConfig: { Memory: 5 } });
    await engine.updateContainer('id', {});
    await engine.startContainer('id');
    assert.equal(server.requests[1], 'POST /v1.47/containers/create?name=k8s_a%20b');
    const creation = 'application/json {"Image":"i","HostConfig":{"Memory":5}}';
    assert.deepEqual(bodies, [creation, 'application/json {}', ' ']);
  });

  it('takes 304 for success', async () => {
    server.answer = (_request, response) => response.writeHead(304).end();
    await engine.startContainer('id');
    await engine.stopContainer('id', 4_000_000);
    assert.equal(server.requests.at(-1), 'POST /v1.47/containers/id/stop?t=4000000');
  });

  it('escapes names but for the slashes of references', async () => {
    await engine.inspectImage('r.example:5000/a/b@sha256:00');
    await engine.inspectContainer('../info?x');
    assert.deepEqual(server.requests.slice(1), [
      'GET /v1.47/images/r.example%3A5000/a/b%40sha256%3A00/json',
      'GET /v1.47/containers/..%2Finfo%3Fx/json',
    ]);
  });

  /** The Engine holds the lock of an exec while it starts it, and that of a container likewise; a new one's volumes may hang. */
  const locking: [what: string, call: () => Promise<unknown>][] = [
    ['an exec', () => engine.inspectExec('e')],
    ['the size of an exec', () => engine.resizeExec('e', { width: 80, height: 24 })],
    ['a new container', () => engine.createContainer('c', { Image: 'i', HostConfig: {} })],
    ['the size of a container', () => engine.resizeContainer('c', { width: 80, height: 24 })],
  ];
  for (const [what, call] of locking) {
    it(`answers others while many wait for ${what} that the Engine holds up`, async () => {
      const held: (() => void)[] = [];
      server.answer = (request, response) => {
        if (request.url?.endsWith('/info') === true) response.end('{}');
        else held.push(() => response.end('{}'));
      };
      const waiting = Promise.all(Array.from({ length: 40 }, call));
      await until('all to wait', () => held.length === 40);
      await engine.info();
      for (const letGo of held) letGo();
      await waiting;
    });
  }

  it('waits for a removal that is under way', async () => {
    server.answer = (request, response) => {
      const message = 'removal of container c0 is already in progress';
      if (request.method === 'DELETE') answerJson(response, 409, { message });
      else answerJson(response, 200, { StatusCode: 0, Error: null });
    };
    await engine.removeContainer('c0');
    assert.deepEqual(server.requests.slice(1), [
      'DELETE /v1.47/containers/c0?force=1&v=1',
      'POST /v1.47/containers/c0/wait?condition=removed',
    ]);
  });

  it('tells of a removal that failed while it waited', async () => {
    server.answer = (request, response) => {
      const message = 'removal of container c0 is already in progress';
      if (request.method === 'DELETE') answerJson(response, 409, { message });
      else answerJson(response, 200, { StatusCode: -1, Error: { Message: 'device busy' } });
    };
    await assert.rejects(engine.removeContainer('c0'), {
      code: Code.FAILED_PRECONDITION,
      message: 'device busy',
    });
  });

  it('is content when the container is gone before the wait begins', async () => {
    server.answer = (request, response) => {
      const message = 'removal of container c0 is already in progress';
      if (request.method === 'DELETE') answerJson(response, 409, { message });
      else answerJson(response, 404, { message: 'No such container: c0' });
    };
    await engine.removeContainer('c0');
  });

  it('reads both shapes of the disk usage', async () => {
    server.answer = (_request, response) => answerJson(response, 200, { LayersSize: 10, Images: null });
    assert.equal(await engine.imageDiskUsageBytes(), 10);
    server.answer = (_request, response) => answerJson(response, 200, { ImageUsage: { TotalSize: 20 } });
    assert.equal(await engine.imageDiskUsageBytes(), 20);
    assert.equal(server.requests.at(-1), 'GET /v1.47/system/df?type=image');
  });

  it('tells of each call, with its code', async () => {
    await engine.info();
    server.answer = (_request, response) => answerJson(response, 404, { message: 'No such container: a' });
    await assert.rejects(engine.inspectContainer('a'));
    assert.deepEqual(calls, [
      ['info', undefined],
      ['inspect_container', Code.NOT_FOUND],
    ]);
  });

  it('reads events cut anywhere, with exact times', async () => {
    const event = (time: string) =>
      `{"Type":"container","Action":"start","Actor":{"ID":"ü","Attributes":{}},"timeNano":${time}}\n`;
    const bytes = Buffer.from(event('1732278997123456789') + event('1732278997123456790'));
    server.answer = (_request, response) => {
      void (async () => {
        for (const byte of bytes)
          await new Promise<unknown>((resolve) => response.write(Buffer.of(byte), resolve));
        response.end();
      })();
    };
    const seen: [string, bigint][] = [];
    await engine.followEvents({
      filters: { type: ['container'] },
      onOpen: () => undefined,
      onEvent: ({ Actor, timeNano }) => seen.push([Actor.ID, timeNano]),
    });
    assert.deepEqual(seen, [
      ['ü', 1732278997123456789n],
      ['ü', 1732278997123456790n],
    ]);
    const url = new URL(server.requests.at(-1)?.slice('GET '.length) ?? '', 'http://engine');
    assert.equal(url.searchParams.get('filters'), '{"type":["container"]}');
    assert.match(url.searchParams.get('since') ?? '', /^\d+\.\d{3}$/);
  });
});
