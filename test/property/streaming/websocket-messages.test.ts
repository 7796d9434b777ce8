import { describe, it } from 'node:test';
import { openWitness, serveEchoSessions } from '../../support/echo-sessions.js';
import {
  CHECK_EVERY,
  ROUNDS,
  assail,
  assertNoGrowth,
  below,
  mutate,
  pick,
  sendAll,
  upgradeRequest,
  type Random,
} from '../../support/hostile.js';
import { synStream } from '../../support/spdy-client.js';
import { WEBSOCKET_UPGRADE } from '../../support/streaming-fixture.js';
import { until } from '../../support/until.js';

const PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'SPDY/3.1+portforward.k8s.io',
] as const;
const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame as clients send it, masked with zeros. */
function frame(opcode: number, payload: Buffer, last = true): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 6 : 8);
  head.writeUInt8((last ? 0x80 : 0) | opcode, 0);
  head.writeUInt8(0x80 | Math.min(payload.length, 126), 1);
  if (payload.length >= 126) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** A message of a session with this protocol. */
function message(random: Random, protocol: (typeof PROTOCOLS)[number], first: boolean): Buffer {
  const text = Buffer.alloc(below(random, 300), 'a');
  if (protocol.startsWith('SPDY')) {
    const header = Buffer.of(0, 0, 0, 1, 0, 0, 0, text.length & 0xff);
    return first
      ? synStream(1, { streamtype: 'data', port: '80', requestid: '1' }, true)
      : Buffer.concat([header, text.subarray(0, text.length & 0xff)]);
  }
  const size = Buffer.from('{"Width":80,"Height":25}');
  const base64 = protocol.includes('base64');
  const [channel, payload] = pick(random, [
    [0, text],
    [4, size],
    [base64 ? 2 : 255, Buffer.of(0)],
    [below(random, 10), text],
  ] as const);
  return base64
    ? Buffer.from(`${channel}${payload.toString('base64')}`)
    : Buffer.concat([Buffer.of(channel), payload]);
}

/** Either the message is mutated, in a frame that is right, or the frame. */
function* mutatedMessages(
  random: Random,
  protocol: (typeof PROTOCOLS)[number],
): Generator<{ bytes: Buffer; mutated: boolean }> {
  for (let count = 0; count < 40; count += 1) {
    const right = message(random, protocol, count === 0);
    const kind = random();
    const payload = kind < 0.6 ? mutate(random, right) : right;
    const isText = protocol.includes('base64');
    const opcode = random() < 0.9 ? (isText ? OPCODES.text : OPCODES.binary) : below(random, 12);
    const whole = frame(opcode, payload, random() < 0.95);
    const broken = kind > 0.9;
    yield { bytes: broken ? mutate(random, whole) : whole, mutated: kind < 0.6 || broken };
  }
}

describe('hostile WebSockets', () => {
  it(`${ROUNDS} mutated messages break no more than their connections`, async (t) => {
    const sessions = await serveEchoSessions(t);
    const witness = await openWitness(sessions);
    await witness.check();
    await assertNoGrowth(async () => {
      await assail(async (random, number) => {
        if (number % CHECK_EVERY === 0) await witness.check();
        const protocol = pick(random, PROTOCOLS);
        const isForward = protocol.startsWith('SPDY') || (protocol.startsWith('v4') && random() < 0.5);
        const url = isForward ? sessions.portForwardUrl() : sessions.execUrl();
        const headers = { ...WEBSOCKET_UPGRADE, 'Sec-WebSocket-Protocol': protocol };
        const request = upgradeRequest(new URL(url), headers);
        return sendAll(sessions.connect(), request, mutatedMessages(random, protocol));
      });
      await until('only the witness is left', () => sessions.open() === 1);
      await witness.check();
      await until('only the witness is left', () => sessions.open() === 1);
    });
    witness.close();
  });
});
