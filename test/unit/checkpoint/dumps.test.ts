import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Dumps } from '../../../src/checkpoint/dumps.js';
import { FrozenContainers } from '../../../src/checkpoint/frozen-containers.js';
import { Code } from '../../../src/util/cri-error.js';
import { HANGS, plainContainer } from '../../support/plain-container.js';
import { until } from '../../support/until.js';

const NEVER = new AbortController().signal;
const nothing = (): Promise<void> => Promise.resolve();

describe('the containers of a pod that stand still', () => {
  it('go on when the call is given up, but for the one that criu hangs at', async (t) => {
    const [hung, sibling] = [plainContainer(t, HANGS, 'a'), plainContainer(t, 'exit 0', 'b')];
    const controller = new AbortController();
    const ones = [{ order: hung }, { order: sibling }];
    const taking = new Dumps(new FrozenContainers()).take(ones, Infinity, controller.signal, nothing);
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
    const taking = new Dumps(new FrozenContainers()).take(
      [{ order: sibling }, { order: hung }],
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
