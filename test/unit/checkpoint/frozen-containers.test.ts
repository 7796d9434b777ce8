import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrozenContainers } from '../../../src/checkpoint/frozen-containers.js';
import { Code } from '../../../src/util/cri-error.js';
import { deferred } from '../../../src/util/deferred.js';

describe('FrozenContainers', () => {
  it('lets nobody go ahead while a container stands still, and counts', async () => {
    const frozen = new FrozenContainers();
    const { promise, resolve } = deferred();
    const began = deferred();
    const order: string[] = [];
    const freezing = frozen.during('a', async () => {
      order.push('frozen');
      began.resolve();
      await promise;
    });
    await began.promise;
    const waiting = frozen.gone('a').then(() => order.push('waited'));
    await frozen.gone('b');
    assert.deepEqual(order, ['frozen']);
    resolve();
    await Promise.all([freezing, waiting]);
    assert.deepEqual(order, ['frozen', 'waited']);
    assert.equal(frozen.timesOf('a'), 1);
    assert.equal(frozen.timesOf('b'), 0);
  });

  it('goes on after a failure, and waits no longer than its caller', async () => {
    const frozen = new FrozenContainers();
    await assert.rejects(
      frozen.during('a', () => Promise.reject(new Error('no'))),
      /no/,
    );
    await frozen.gone('a');
    const { promise, resolve } = deferred();
    const began = deferred();
    const freezing = frozen.during('a', async () => {
      began.resolve();
      await promise;
    });
    await began.promise;
    await assert.rejects(frozen.gone('a', AbortSignal.abort(new Error('given up'))), /given up/);
    resolve();
    await freezing;
  });

  it('has nobody wait for one that is stuck, until it is not', async () => {
    const frozen = new FrozenContainers();
    const { promise, resolve } = deferred();
    await frozen.during('a', () => {
      frozen.stuck('a', 'it hangs', promise);
      return Promise.resolve();
    });
    const refusal = { code: Code.FAILED_PRECONDITION, message: 'it hangs' };
    await assert.rejects(frozen.gone('a'), refusal);
    const work = (): never => assert.fail('a stuck container gets no other');
    await assert.rejects(frozen.during('a', work), refusal);
    await frozen.gone('b');
    resolve();
    await promise;
    await frozen.gone('a');
    assert.equal(await frozen.during('a', () => Promise.resolve('done')), 'done');
  });

  it('has one stuck until an end that fails', async () => {
    const frozen = new FrozenContainers();
    const { promise, reject } = deferred();
    frozen.stuck('a', 'it hangs', promise);
    await assert.rejects(frozen.gone('a'), /it hangs/);
    reject(new Error('no'));
    await promise.catch(() => undefined);
    await frozen.gone('a');
  });
});
