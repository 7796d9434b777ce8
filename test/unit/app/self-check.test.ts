import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { checkConnections } from '../../../src/app/self-check.js';
import { captureLog } from '../../support/captured-log.js';

const open = (port: number): Socket => connect({ port, host: '127.0.0.1', allowHalfOpen: true });

describe('the look at the parts of Node that are not its API', () => {
  it('says nothing of the Node that ships', async () => {
    const log = captureLog();
    await checkConnections(log);
    assert.deepEqual(log.lines, []);
  });

  it('says in one line that handles have changed, and sees all be read the slower way', async () => {
    const log = captureLog();
    await checkConnections(log, (port) => {
      const socket = open(port);
      Reflect.set(Reflect.get(socket, '_handle') as object, 'useUserBuffer', undefined);
      return socket;
    });
    assert.equal(log.lines.length, 1);
    assert.match(
      String(log.lines[0]?.message),
      /Node has changed: connections are read with a new buffer each time/,
    );
  });

  it('says in one line that writes go another way', async () => {
    const log = captureLog();
    await checkConnections(log, (port) => {
      const socket = open(port);
      // As if streams no longer looked for the functions that they were given: none can be put in their place.
      for (const name of ['_write', '_writev']) {
        const value: unknown = Reflect.get(socket, name);
        Object.defineProperty(socket, name, { get: () => value, set: () => undefined });
      }
      Reflect.set(Reflect.get(socket, '_handle') as object, 'useUserBuffer', undefined);
      return socket;
    });
    assert.equal(log.lines.length, 2);
    assert.match(
      String(log.lines[1]?.message),
      /Node has changed: output that follows a failed write of input may be lost/,
    );
  });

  it('says why it could see nothing', async () => {
    const log = captureLog();
    await checkConnections(log, () => {
      throw new Error('too many open files');
    });
    assert.match(JSON.stringify(log.lines), /could not see .*too many open files/);
  });
});
