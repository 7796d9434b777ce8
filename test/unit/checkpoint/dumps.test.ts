import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { dumpEnded } from '../../../src/checkpoint/dump-end.js';
import type { DumpOrder } from '../../../src/checkpoint/dump-process.js';
import { Dumps, type Dumped } from '../../../src/checkpoint/dumps.js';
import { FrozenContainers } from '../../../src/checkpoint/frozen-containers.js';
import { Code } from '../../../src/util/cri-error.js';
import { deferred } from '../../../src/util/deferred.js';
import { silentLogger } from '../../../src/util/log.js';
import { HANGS, plainContainer } from '../../support/plain-container.js';
import { until } from '../../support/until.js';

const NEVER = new AbortController().signal;
const dumped = (order: DumpOrder): Dumped => ({ order, folder: { leave: () => dumpEnded(order.work) } });
const nothing = (): Promise<void> => Promise.resolve();

describe('the containers of a pod that stand still', () => {
  it('go on when the call is given up, but for the one that criu hangs at', async (t) => {
    const [hung, sibling] = [plainContainer(t, HANGS, 'a'), plainContainer(t, 'exit 0', 'b')];
    const controller = new AbortController();
    const ones = [dumped(hung), dumped(sibling)];
    const taking = new Dumps(new FrozenContainers(), silentLogger).take(
      ones,
      Infinity,
      controller.signal,
      nothing,
    );
    await until('the first to be written down', () => hung.isBegun());
    assert.equal(sibling.state(), 'frozen');
    controller.abort(new Error('given up'));
    await until('the other to go on', () => sibling.state() === 'thawed');
    assert.equal(hung.state(), 'frozen');
    hung.letEnd();
    await assert.rejects(taking, /given up/);
    assert.equal(hung.state(), 'thawed');
  });

  it('are not kept so for longer than the limit', async (t) => {
    const [hung, sibling] = [plainContainer(t, HANGS, 'a'), plainContainer(t, 'exit 0', 'b')];
    const taking = new Dumps(new FrozenContainers(), silentLogger).take(
      [dumped(sibling), dumped(hung)],
      50,
      NEVER,
      nothing,
    );
    const outcome = assert.rejects(taking, { code: Code.DEADLINE_EXCEEDED, message: /within 0\.05s/ });
    let isOver = false;
    void outcome.finally(() => (isOver = true));
    await until('the outcome', () => {
      if (hung.isBegun()) hung.letEnd();
      return isOver;
    });
    await outcome;
    assert.deepEqual([sibling.state(), hung.state()], ['thawed', 'thawed']);
  });
});

describe('a container whose criu does not let it go', () => {
  const stuck = {
    code: Code.FAILED_PRECONDITION,
    message: /^container a stands still: criu \(process group \d+\)/,
  };

  it('is waited for by nobody until that has ended, and gets no second criu; it is told of', async (t) => {
    const frozen = new FrozenContainers();
    const told: unknown[] = [];
    const log = { ...silentLogger, warn: (_text: string, fields = {}) => told.push(fields) };
    const dumps = new Dumps(frozen, log, 1);
    const [hung, second] = [plainContainer(t, HANGS, 'a'), plainContainer(t, HANGS, 'a')];
    const controller = new AbortController();
    const taking = dumps.take([dumped(hung)], Infinity, controller.signal, nothing);
    await until('it to be written down', () => hung.isBegun());
    const waiting = assert.rejects(frozen.gone('a'), stuck);
    const next = assert.rejects(dumps.take([dumped(second)], Infinity, NEVER, nothing), stuck);
    controller.abort(new Error('given up'));
    await assert.rejects(taking, /given up/);
    await Promise.all([waiting, next]);
    await assert.rejects(frozen.gone('a'), stuck);
    assert.equal(second.isBegun(), false);
    assert.equal(hung.state(), 'frozen');
    const [line] = told as { containerId: string; path: string }[];
    assert.deepEqual([told.length, line?.containerId, line?.path], [1, 'a', hung.work]);
    hung.letEnd();
    await until('it to be free', () =>
      frozen.gone('a').then(
        () => true,
        () => false,
      ),
    );
    assert.equal(hung.state(), 'thawed');
    second.letEnd();
    await new Dumps(frozen, silentLogger).take([dumped(second)], Infinity, NEVER, nothing);
  });

  it('fails its checkpoint also where all was written down: what is left to it is not packed', async (t) => {
    const frozen = new FrozenContainers();
    const written = plainContainer(t, 'exit 0', 'a');
    let script = 0;
    const stop = (): Promise<void> => {
      script = Number(readFileSync(join(written.work, 'process'), 'utf8').split(' ')[0]);
      process.kill(script, 'SIGSTOP');
      return nothing();
    };
    const taking = new Dumps(frozen, silentLogger, 1).take([dumped(written)], Infinity, NEVER, stop);
    try {
      await assert.rejects(taking, stuck);
      await assert.rejects(frozen.gone('a'), stuck);
    } finally {
      process.kill(script, 'SIGCONT');
    }
    await until('it to go on', () => written.state() === 'thawed');
  });

  it('is as free as that also after a restart of cridock', async (t) => {
    const frozen = new FrozenContainers();
    const { promise, resolve } = deferred();
    const { work } = plainContainer(t);
    const begun = deferred();
    const outlasting = new Dumps(frozen, silentLogger, 1).outlast('a', work, () => {
      begun.resolve();
      return promise;
    });
    await begun.promise;
    const waiting = assert.rejects(frozen.gone('a'), { code: Code.FAILED_PRECONDITION });
    await outlasting;
    await waiting;
    resolve();
    await promise;
    await frozen.gone('a');
  });

  it('is outlasted also where an older cridock has not told which it is, as others that it has not told', async (t) => {
    const { work } = plainContainer(t);
    const dumps = new Dumps(new FrozenContainers(), silentLogger, 1);
    let begun = 0;
    const hangs = (): Promise<void> => {
      begun += 1;
      return deferred().promise;
    };
    await Promise.all([dumps.outlast('', work, hangs), dumps.outlast('', work, hangs)]);
    assert.equal(begun, 2);
  });
});
