import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listeningSocketOf } from '../../../src/unit/listening-socket.js';

describe('listeningSocketOf', () => {
  const systemctl =
    (triggeredBy: string, listen: string) =>
    (...args: string[]): Promise<string> =>
      Promise.resolve(args.includes('TriggeredBy') ? triggeredBy : args.includes('a.socket') ? listen : '');

  it('is the path of the socket unit, whatever else triggers the service', async () => {
    const run = systemctl('a.timer a.socket\n', '/run/other.sock (Stream)\n');
    assert.equal(await listeningSocketOf('a.service', run), '/run/other.sock');
  });

  it('is nothing where no socket unit is, or systemd says nothing', async () => {
    assert.equal(await listeningSocketOf('a.service', systemctl('\n', '')), undefined);
    assert.equal(
      await listeningSocketOf('a.service', () => Promise.reject(new Error('no systemd'))),
      undefined,
    );
  });
});
