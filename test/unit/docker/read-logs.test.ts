import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import type { LogReadOptions } from '../../../src/docker/engine.js';
import { Code, hasCode } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { answerJson, EngineServer } from '../../support/engine-server.js';
import { frame } from '../../support/frames.js';

const TIME = '2026-01-02T03:04:05.000000001Z ';

describe('reading a log', () => {
  let server: EngineServer;
  let engine: DockerodeEngine;
  let read: string[];

  beforeEach(async () => {
    server = await EngineServer.start();
    engine = new DockerodeEngine({ endpoint: server.endpoint, env: {}, log: silentLogger });
    read = [];
  });
  afterEach(async () => {
    engine.close();
    await server[Symbol.asyncDispose]();
  });

  const readLogs = (options: Partial<LogReadOptions>): Promise<void> =>
    engine.readLogs('c', {
      ...{ tty: false, follow: true },
      onMessages: (messages) => void read.push(...messages.map(({ bytes }) => bytes.toString('utf8', 31))),
      ...options,
    });

  it('asks for chunks only where nobody follows', async () => {
    server.answer = (request, response) => {
      response.write(line(`HTTP/${request.httpVersion}\n`));
      response.end(line('end\n'));
    };
    await readLogs({ follow: true, since: '5.000000000' });
    await readLogs({ follow: false });
    assert.deepEqual(read, ['HTTP/1.0\n', 'end\n', 'HTTP/1.1\n', 'end\n']);
    const common = 'GET /v1.47/containers/c/logs?stdout=1&stderr=1&timestamps=1';
    assert.deepEqual(server.requests.slice(1), [
      `${common}&follow=1&since=5.000000000`,
      `${common}&follow=0`,
    ]);
  });

  it('takes a broken connection for the end where it follows, else for a failure', async () => {
    server.answer = (_request, response) => {
      response.write(line('a\n'));
      response.write(line('cut\n').subarray(0, -2), () => response.destroy());
    };
    await readLogs({ follow: true });
    assert.deepEqual(read, ['a\n']);
    await assert.rejects(readLogs({ follow: false }), (error) => hasCode(error, Code.UNAVAILABLE));
  });

  it('leaves what a terminal has not ended to those who do not follow', async () => {
    server.answer = (_request, response) => response.end(`${TIME}a\r\n${TIME}no end`);
    await readLogs({ tty: true, follow: true });
    assert.deepEqual(read.splice(0), ['a\r\n']);
    await readLogs({ tty: true, follow: false });
    assert.deepEqual(read, ['a\r\n', 'no end']);
  });

  it("throws the Engine's refusal, what onMessages throws, and the reason of who gives up", async () => {
    server.answer = (_request, response) => answerJson(response, 404, { message: 'No such container: c' });
    await assert.rejects(readLogs({}), (error) => hasCode(error, Code.NOT_FOUND));

    server.answer = (_request, response) => response.write(line('a\n'));
    const failure = new Error('no more');
    const onMessages = (): never => {
      throw failure;
    };
    await assert.rejects(readLogs({ onMessages }), failure);

    const stop = new AbortController();
    const givenUp = readLogs({
      signal: stop.signal,
      onMessages: () => {
        stop.abort();
        return undefined;
      },
    });
    await assert.rejects(givenUp, (error) => hasCode(error, Code.CANCELLED));
  });

  it('is UNAVAILABLE while there is no Engine, and where the connection breaks before there is an answer', async () => {
    server.answer = (request) => request.socket.destroy();
    await assert.rejects(readLogs({}), (error) => hasCode(error, Code.UNAVAILABLE));
    await server.close();
    await assert.rejects(readLogs({}), (error) => hasCode(error, Code.UNAVAILABLE));
  });
});

function line(text: string): Buffer {
  return frame(1, Buffer.from(TIME + text));
}
