import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { EngineEvent } from '../../../../src/docker/types.js';
import { EngineConnection, type ConnectionOptions } from '../../../../src/state/mirror/connection.js';
import { Code, CriError, hasCode } from '../../../../src/util/cri-error.js';
import { silentLogger } from '../../../../src/util/log.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { until } from '../../../support/until.js';
import { createSandbox } from '../../../support/mirror-parts.js';

describe('EngineConnection', () => {
  let engine: FakeEngine;
  let connection: EngineConnection;
  let events: EngineEvent[];
  /** The signals of the connections that were live. */
  let lives: AbortSignal[];
  let readings: number;

  beforeEach(() => {
    engine = new FakeEngine();
    events = [];
    lives = [];
    readings = 0;
  });
  afterEach(() => connection.stop());

  function begin(changed: Partial<ConnectionOptions> = {}): void {
    connection = new EngineConnection({
      engine,
      log: silentLogger,
      requestTimeoutMs: 5_000,
      onEvent: (event) => void events.push(event),
      onOpen: () => Promise.resolve({ found: (readings += 1) }),
      onLive: (signal) => void lives.push(signal),
      ...changed,
    });
    connection.start();
  }

  it('reads once events flow, and is live then', async () => {
    begin({
      onOpen: async () => {
        await createSandbox(engine, 'a');
        assert.notEqual(connection.problem, undefined, 'nothing is served before the first reading');
        return {};
      },
    });
    await connection.untilLive();
    assert.equal(connection.problem, undefined);
    assert.equal(connection.facts?.info.ID, 'fake');
    await until('the event from during the reading', () => events.some(({ Action }) => Action === 'create'));
  });

  it('says why it is lost, ends what lived with it, and reads anew over a new stream', async () => {
    begin();
    await connection.untilLive();
    engine.down = true;
    await until('the loss', () => connection.problem !== undefined);
    assert.equal(lives[0]?.aborted, true);
    await assert.rejects(connection.untilLive(), (error) => hasCode(error, Code.UNAVAILABLE));
    assert.notEqual(connection.facts, undefined, 'the word of an Engine that is away stays known');
    engine.down = false;
    await connection.untilLive();
    assert.deepEqual([lives.length, readings], [2, 2]);
  });

  it('is broken off by those who find that the Engine does not answer', async () => {
    begin();
    await connection.untilLive();
    connection.breakOff(new Error('no list'));
    assert.equal(connection.problem, 'no list');
    await connection.untilLive();
    assert.equal(lives.length, 2);
  });

  it('gives up an attempt that takes too long', async () => {
    begin({
      requestTimeoutMs: 20,
      onOpen: (signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    await assert.rejects(connection.untilLive(), /did not answer within 20 ms/);
    assert.equal(lives.length, 0);
  });

  it('fails the attempt with the first reading', async () => {
    begin({ onOpen: () => Promise.reject(new CriError(Code.UNAVAILABLE, 'no list')) });
    await assert.rejects(connection.untilLive(), /no list/);
  });

  it('ends waits when it is stopped, and connects no more', async () => {
    engine.down = true;
    begin();
    const waiting = assert.rejects(connection.untilLive());
    await connection.stop();
    await waiting;
    engine.down = false;
    assert.notEqual(connection.problem, undefined);
    assert.equal(lives.length, 0);
  });
});
