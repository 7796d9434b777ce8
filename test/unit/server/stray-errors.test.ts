import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { EXIT_SOFTWARE, isHarmless, onStrayErrors } from '../../../src/server/stray-errors.js';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { captureLog } from '../../support/captured-log.js';

describe('errors that nobody caught', () => {
  it('are harmless when a connection failed, or a failure was expected', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const reset = connect(port, '127.0.0.1');
    reset.write('x');
    const [resetError] = (await once(reset, 'error').catch((error: unknown) => [error])) as [unknown];
    server.close();
    const refused = connect(port, '127.0.0.1');
    const [refusedError] = (await once(refused, 'error').catch((error: unknown) => [error])) as [unknown];
    assert.deepEqual([resetError, refusedError].map(isHarmless), [true, true]);
    assert.ok(isHarmless(new CriError(Code.UNAVAILABLE, 'the Engine is away')));
    assert.ok(isHarmless(AbortSignal.abort().reason) || isHarmless(new DOMException('', 'AbortError')));
  });

  it('are suspect in all other cases', () => {
    const open = Object.assign(new Error('too many open files'), { code: 'EMFILE', syscall: 'open' });
    for (const error of [new TypeError('of undefined'), new RangeError('x'), open, 'text', undefined]) {
      assert.equal(isHarmless(error), false);
    }
  });

  it('of a suspect kind drain once, and leave with an exit code when that fails', async () => {
    const seen: string[] = [];
    const left = new Promise<number>((resolve) => {
      const drain = (): Promise<void> => {
        seen.push('drain');
        return Promise.reject(new Error('stuck'));
      };
      const before = process.listeners('uncaughtException');
      const dispose = onStrayErrors({ drain, exit: resolve }, captureLog());
      const [ours] = process.listeners('uncaughtException').filter((listener) => !before.includes(listener));
      dispose();
      assert.equal(process.listenerCount('uncaughtException'), before.length);
      ours?.(new CriError(Code.UNAVAILABLE, 'harmless'), 'uncaughtException');
      assert.deepEqual(seen, []);
      ours?.(new TypeError('first'), 'uncaughtException');
      ours?.(new TypeError('second'), 'uncaughtException');
    });
    assert.equal(await left, EXIT_SOFTWARE);
    assert.deepEqual(seen, ['drain']);
  });
});
