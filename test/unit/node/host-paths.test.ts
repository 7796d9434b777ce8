import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { HostLookup, LookupThreads } from '../../../src/node/host-paths.js';
import { Code } from '../../../src/util/cri-error.js';
import { deferred } from '../../../src/util/deferred.js';

const TIMEOUT_MS = 5_000;
/** On a disk of this node, and on what no disk holds. */
const LOCAL = '/';
const REMOTE = '/proc/none';

describe('HostLookup', () => {
  /** The paths of all lookups that were begun. */
  let begun: string[];
  let ends: Map<string, () => void>;
  let lookup: HostLookup<string>;

  afterEach(() => mock.timers.reset());
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    begun = [];
    ends = new Map();
    lookup = new HostLookup(
      new LookupThreads(),
      async (path) => {
        begun.push(path);
        const { promise, resolve } = deferred();
        ends.set(path, resolve);
        await promise;
        return `found ${path}`;
      },
      TIMEOUT_MS,
    );
  });

  /** Waits for the lookup to be begun with this number. */
  const untilBegun = async (count: number): Promise<void> => {
    while (begun.length < count) await new Promise(setImmediate);
  };
  const settled = async (): Promise<void> => {
    await new Promise(setImmediate);
  };

  it('looks once for all who ask for a path meanwhile, and anew after that', async () => {
    const answers = Promise.all([lookup.find('/a'), lookup.find('/a')]);
    await untilBegun(1);
    ends.get('/a')?.();
    assert.deepEqual(await answers, ['found /a', 'found /a']);
    const again = lookup.find('/a');
    await untilBegun(2);
    ends.get('/a')?.();
    await again;
    assert.deepEqual(begun, ['/a', '/a']);
  });

  it('gives up a path that does not answer, and begins no other lookup of it while that holds its thread', async () => {
    const refused = { code: Code.UNAVAILABLE, message: /^\/a does not answer within 5000 ms/ };
    const first = assert.rejects(lookup.find('/a'), refused);
    await untilBegun(1);
    mock.timers.tick(TIMEOUT_MS);
    await first;
    await assert.rejects(lookup.find('/a'), refused);
    assert.deepEqual(begun, ['/a']);
    ends.get('/a')?.();
    await settled();
    const answer = lookup.find('/a');
    await untilBegun(2);
    ends.get('/a')?.();
    assert.equal(await answer, 'found /a');
  });

  it('holds up two threads; then it looks at the disks of this node only', async () => {
    const asked = Promise.allSettled(['/a', '/b', '/c'].map((path) => lookup.find(path)));
    await untilBegun(2);
    mock.timers.tick(TIMEOUT_MS);
    assert.deepEqual(
      (await asked).map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    );
    assert.equal(await lookup.find(REMOTE), undefined);
    const local = lookup.find(LOCAL);
    await untilBegun(3);
    ends.get(LOCAL)?.();
    assert.equal(await local, `found ${LOCAL}`);
    assert.deepEqual(begun, ['/a', '/b', LOCAL]);
  });

  it('leaves one thread of four where a path on a disk of this node leads to what does not answer', async () => {
    const asked = Promise.allSettled(['/a', '/b'].map((path) => lookup.find(path)));
    await untilBegun(2);
    mock.timers.tick(TIMEOUT_MS);
    await asked;
    const link = assert.rejects(lookup.find('/c'));
    await untilBegun(3);
    mock.timers.tick(TIMEOUT_MS);
    await link;
    assert.equal(await lookup.find('/d'), undefined);
    assert.deepEqual(begun, ['/a', '/b', '/c']);
    // One that answers again has its thread for any other path, though the link still hangs.
    ends.get('/a')?.();
    await settled();
    const remote = lookup.find(REMOTE);
    await untilBegun(4);
    ends.get(REMOTE)?.();
    assert.equal(await remote, `found ${REMOTE}`);
  });

  it('throws what the lookup says', async () => {
    const failing = new HostLookup(new LookupThreads(), (path) => Promise.reject(new Error(`not ${path}`)));
    await assert.rejects(failing.find('/a'), { message: 'not /a' });
  });
});
