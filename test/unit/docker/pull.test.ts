import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { pullImage } from '../../../src/docker/pull.js';
import type { PullMessage } from '../../../src/docker/pull-progress.js';
import type { Session } from '../../../src/docker/session.js';
import { Code } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { answerJson, EngineServer } from '../../support/engine-server.js';

/** Never reached where a test is about something else. */
const progressDeadlineMs = 30_000;
const shortDeadlineMs = 500;

describe('pullImage', () => {
  let server: EngineServer;
  let engine: DockerodeEngine;

  beforeEach(async () => {
    server = await EngineServer.start();
    engine = new DockerodeEngine({ endpoint: server.endpoint, env: {}, log: silentLogger });
  });
  afterEach(async () => {
    engine.close();
    await server[Symbol.asyncDispose]();
  });

  const line = (response: ServerResponse, message: object) =>
    response.write(`${JSON.stringify(message)}\r\n`);
  const downloading = (current: number) => ({
    status: 'Downloading',
    id: 'aaaaaaaaaaaa',
    progressDetail: { current, total: 100 },
  });

  it('names the reference as it is, with credentials in padded base64', async () => {
    let header: unknown;
    server.answer = (request, response) => {
      header = request.headers['x-registry-auth'];
      response.end('{"status":"Status: Image is up to date for a:1"}\n');
    };
    const auth = { username: 'ü?>', password: '~~~secret~', serveraddress: 'r.example' };
    await engine.pullImage('r.example/a:1@sha256:00', { auth, progressDeadlineMs });
    assert.equal(server.requests[1], 'POST /v1.47/images/create?fromImage=r.example%2Fa%3A1%40sha256%3A00');
    assert.ok(typeof header === 'string' && header.length % 4 === 0 && /^[\w-]+=*$/.test(header));
    assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url').toString()), auth);
  });

  it('refuses a reference that would pull every tag', async () => {
    for (const reference of ['busybox', 'r.example:5000/a']) {
      await assert.rejects(engine.pullImage(reference, { progressDeadlineMs }), {
        code: Code.INVALID_ARGUMENT,
      });
    }
    assert.deepEqual(server.requests, []);
  });

  it('fails on a failure line, although the status is 200', async () => {
    server.answer = (_request, response) => {
      line(response, { status: 'Pulling from a', id: '1' });
      const message = 'received unexpected HTTP status: 503 Service Unavailable';
      line(response, { errorDetail: { message }, error: message });
      response.end();
    };
    await assert.rejects(engine.pullImage('a:1', { progressDeadlineMs }), {
      code: Code.UNKNOWN,
      message: 'RegistryUnavailable: received unexpected HTTP status: 503 Service Unavailable',
    });
  });

  it('fails on an HTTP error', async () => {
    const message = 'manifest for a:1 not found: manifest unknown: manifest unknown';
    server.answer = (_request, response) => answerJson(response, 404, { message });
    await assert.rejects(engine.pullImage('a:1', { progressDeadlineMs }), { code: Code.NOT_FOUND, message });
  });

  it('fails when the connection breaks within the stream', async () => {
    server.answer = (request, response) => {
      response.write('{"status":"Pulling from a","id":"1"}\n', () => request.socket.destroy());
    };
    await assert.rejects(engine.pullImage('a:1', { progressDeadlineMs }), { code: Code.UNAVAILABLE });
  });

  it('ends a pull that says nothing before its first word', async () => {
    await engine.negotiate();
    const closed = new Promise((resolve) => {
      server.answer = (request) => request.socket.on('close', resolve);
    });
    await assert.rejects(engine.pullImage('r.example/a:1', { progressDeadlineMs: shortDeadlineMs }), {
      code: Code.DEADLINE_EXCEEDED,
      message: 'pull of r.example/a:1: no progress for 0.5s (no answer from the registry yet)',
    });
    await closed;
  });

  it('ends a pull that only repeats itself', async () => {
    await engine.negotiate();
    let ticker: NodeJS.Timeout | undefined;
    server.answer = (_request, response) => {
      line(response, downloading(1));
      ticker = setInterval(() => line(response, downloading(1)), 5);
    };
    await assert.rejects(engine.pullImage('a:1', { progressDeadlineMs: shortDeadlineMs }), {
      code: Code.DEADLINE_EXCEEDED,
    });
    clearInterval(ticker);
  });

  it('goes on while there is progress, and while layers are unpacked', async () => {
    server.answer = (_request, response) => {
      let tick = 0;
      const ticker = setInterval(() => {
        tick += 1;
        if (tick <= 30) line(response, downloading(tick));
        if (tick === 31) line(response, { status: 'Extracting', id: 'aaaaaaaaaaaa' });
        if (tick < 60) return;
        clearInterval(ticker);
        response.end('{"status":"Pull complete","id":"aaaaaaaaaaaa"}');
      }, 20);
    };
    await engine.pullImage('a:1', { progressDeadlineMs: 400 });
  });

  it('ends with its caller', async () => {
    const controller = new AbortController();
    server.answer = (_request, response) => {
      line(response, { status: 'Pulling from a', id: '1' });
      setImmediate(() => controller.abort());
    };
    const { signal } = controller;
    await assert.rejects(engine.pullImage('a:1', { signal, progressDeadlineMs }), {
      code: Code.CANCELLED,
    });
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });
});

/** No Engine hangs for an hour when it is asked to: this one says what a test says, in the time of the test. */
describe('pullImage of a layer that is being unpacked', () => {
  const MINUTE_MS = 60_000;
  const id = 'aaaaaaaaaaaa';
  /** As Engines with the containerd image store tell of an unpacking: the seconds since it began. */
  const clock = (seconds: number): PullMessage => ({
    status: 'Extracting',
    id,
    progressDetail: { current: seconds, units: 's' },
  });
  const startPull = (progressDeadlineMs: number) => {
    const told: { signal?: AbortSignal; onLine?: (line: string) => void } = {};
    const lines: Session['lines'] = ({ signal }, _onOpen, onLine) => {
      Object.assign(told, { signal, onLine });
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    };
    const pulling = pullImage({ lines }, 'a:1', { progressDeadlineMs });
    pulling.catch(() => undefined);
    return {
      pulling,
      tell: (message: PullMessage) => told.onLine?.(JSON.stringify(message)),
      isOver: () => told.signal?.aborted === true,
    };
  };

  it('ends an hour after the last sign of life, and a clock is none', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { pulling, tell, isOver } = startPull(MINUTE_MS);
    tell({ status: 'Pulling fs layer', id });
    tell({ status: 'Download complete', id });
    for (let minute = 0; minute < 60; minute += 1) {
      tell(clock(1 + 60 * minute));
      assert.equal(isOver(), false, `after ${minute} minutes`);
      t.mock.timers.tick(MINUTE_MS);
    }
    assert.equal(isOver(), true);
    await assert.rejects(pulling, {
      code: Code.DEADLINE_EXCEEDED,
      message: 'pull of a:1: no progress for 3600s of unpacking (0 of 1 layers)',
    });
  });

  it('goes on while figures of a graph driver grow, and has ten times a longer deadline', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { tell, isOver } = startPull(10 * MINUTE_MS);
    tell({ status: 'Pulling fs layer', id });
    for (let hour = 0; hour < 5; hour += 1) {
      tell({ status: 'Extracting', id, progressDetail: { current: 1 + hour, total: 5 } });
      for (let minute = 0; minute < 60; minute += 1) t.mock.timers.tick(MINUTE_MS);
    }
    assert.equal(isOver(), false);
    t.mock.timers.tick(40 * MINUTE_MS);
    assert.equal(isOver(), true);
  });

  it('is not ended by a registry that another layer waits for, while a clock says that it goes on', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { tell, isOver } = startPull(MINUTE_MS);
    tell({ status: 'Pulling fs layer', id });
    tell({ status: 'Pulling fs layer', id: 'bbbbbbbbbbbb' });
    tell(clock(1));
    for (let minute = 0; minute < 5; minute += 1) t.mock.timers.tick(MINUTE_MS);
    assert.equal(isOver(), false);
    tell({ status: 'Pull complete', id });
    t.mock.timers.tick(MINUTE_MS);
    assert.equal(isOver(), true, 'nothing but the registry is left to wait for');
  });
});
