import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openWitness, serveEchoSessions } from '../../support/echo-sessions.js';
import {
  CHECK_EVERY,
  ROUNDS,
  assail,
  assertNoGrowth,
  below,
  mutate,
  pick,
  type Random,
  upgradeRequest,
} from '../../support/hostile.js';
import { upgrade } from '../../support/spdy-client.js';
import { WEBSOCKET_UPGRADE } from '../../support/streaming-fixture.js';
import { until } from '../../support/until.js';

const UPGRADES: readonly [Record<string, string>, Record<string, string>] = [
  { Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': 'v4.channel.k8s.io' },
  { ...WEBSOCKET_UPGRADE, 'Sec-WebSocket-Protocol': 'v5.channel.k8s.io' },
];

/** The URL with some digits of its token changed, more than a mutation can happen to put back. */
function guess(random: Random, url: URL): URL {
  const token = Array.from(url.pathname.slice(-32));
  for (let times = 0; times < 8; times += 1) {
    const at = below(random, token.length);
    token[at] = ((parseInt(token[at] ?? '0', 16) + 1 + below(random, 8)) % 16).toString(16);
  }
  return new URL(url.pathname.slice(0, -32) + token.join(''), url);
}

describe('hostile upgrade requests', () => {
  it(`${ROUNDS} mutated requests reach no session`, async (t) => {
    const sessions = await serveEchoSessions(t);
    const witness = await openWitness(sessions);
    const used = new URL(sessions.execUrl());
    (await upgrade(used.href, UPGRADES[0])).socket.destroy();
    await assertNoGrowth(async () => {
      const servedBefore = sessions.served();
      let checks = 0;
      await assail(async (random, number) => {
        if (number % CHECK_EVERY === 0) {
          checks += 1;
          await witness.check();
        }
        const url = random() < 0.3 ? used : guess(random, new URL(witness.url()));
        const text = upgradeRequest(url, pick(random, UPGRADES));
        const { near, far } = sessions.connect();
        const closed = new Promise((resolve) => far.once('close', resolve));
        near.end(mutate(random, Buffer.from(text)));
        await closed;
        await turn(); // for the witness, which waits for the kernel
        return 1;
      });
      assert.equal(sessions.served(), servedBefore + checks);
      await until('only the witness is left', () => sessions.open() === 1);
    });
    assert.ok((await sessions.refused('token')) > ROUNDS / 10);
    witness.close();
  });
});
