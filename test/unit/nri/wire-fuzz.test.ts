import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { envelopes } from '../../../src/nri/wire/envelopes.js';
import { Link } from '../../../src/nri/wire/link.js';
import { muxFrames, MuxReader, PLUGIN_CONNECTION, RUNTIME_CONNECTION } from '../../../src/nri/wire/mux.js';
import {
  MAX_MESSAGE_BYTES,
  MessageType,
  TtrpcReader,
  ttrpcMessage,
} from '../../../src/nri/wire/ttrpc-frames.js';
import { RUNTIME_SERVICE } from '../../../src/nri/protocol.js';
import { seededRandom } from '../../support/random.js';

const MESSAGES = Number(process.env['CRIDOCK_NRI_FUZZ_MESSAGES'] ?? 5_000);
/** So many to a connection: most break the protocol sooner. */
const MESSAGES_EACH = 50;

const SEED = Number(process.env['CRIDOCK_TEST_SEED'] ?? Date.now() % 1_000_000);

interface Random {
  /** Both ends are among them. */
  int(least: number, most: number): number;
}

function randomNumbers(): Random {
  const next = seededRandom(SEED);
  return { int: (least, most) => least + Math.floor(next() * (most - least + 1)) };
}

describe(`NRI's wire (seed ${SEED})`, () => {
  it('is read in whatever pieces it comes', () => {
    const random = randomNumbers();
    const messages = [0, 1, 4_085, 4_086, 4_087, 70_000].map((size, index) => {
      return { stream: index * 2 + 1, type: MessageType.REQUEST, payload: Buffer.alloc(size, index) };
    });
    const bytes = Buffer.concat(messages.map((message) => muxFrames(2, ttrpcMessage(message))));
    const seen: unknown[] = [];
    const reader = new TtrpcReader((message) => seen.push(message));
    const mux = new MuxReader((connection, payload) => {
      assert.equal(connection, 2);
      reader.push(payload);
    });
    for (let at = 0; at < bytes.length;) {
      const size = random.int(1, 5_000);
      mux.push(bytes.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(seen, messages);
  });

  it('no frame is longer than the buffer that plugins read its beginning into, but the rest of one', () => {
    const frames = muxFrames(1, Buffer.alloc(100_000));
    assert.equal(frames.readUInt32BE(4), 4096);
    assert.equal(frames.readUInt32BE(8 + 4096 + 4), 100_000 - 4096);
  });

  it('frames and messages that are too long break it', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(MAX_MESSAGE_BYTES + 1, 4);
    assert.throws(() => new MuxReader(() => undefined).push(header), /a frame of/);
    assert.throws(() => new TtrpcReader(() => undefined).push(Buffer.alloc(10, 0xff)), /a message of/);
  });

  it(`${MESSAGES} messages that are partly wrong: no crash, and every connection ends or goes on`, async () => {
    const random = randomNumbers();
    let served = 0;
    const serve = (): Promise<Uint8Array> => {
      served += 1;
      return Promise.resolve(Buffer.alloc(0));
    };
    let broken = 0;
    for (let sent = 0; sent < MESSAGES; sent += MESSAGES_EACH) {
      const [near, far] = duplexPair();
      far.on('error', () => undefined).resume();
      const link = new Link(near, serve);
      const call = link.call('s', 'm', Buffer.alloc(0), 60_000).catch((error: unknown) => error);
      for (let index = 0; index < MESSAGES_EACH && link.closeReason === undefined; index += 1) {
        far.write(wrongMessage(random));
        await nextTurn();
      }
      if (link.closeReason !== undefined) broken += 1;
      link.close('over');
      await call;
      far.destroy();
    }
    assert.ok(served > 0 && broken > 0, `${served} served, ${broken} broken`);
  });
});

/** A message as plugins send it, of which some have a byte or a length changed, a part missing, or nothing right. */
function wrongMessage(random: Random): Buffer {
  const isCall = random.int(0, 1) === 0;
  const payload = isCall
    ? envelopes.encodeRequest({
        service: RUNTIME_SERVICE,
        method: ['RegisterPlugin', 'UpdateContainers', ''][random.int(0, 2)] ?? '',
        payload: bytesOf(random, random.int(0, 200)),
        timeout_nano: '0',
      })
    : envelopes.encodeResponse({
        status: { code: random.int(0, 20), message: 'm' },
        payload: Buffer.alloc(3),
      });
  const type = random.int(0, 20) === 0 ? random.int(0, 255) : isCall ? 1 : 2;
  const message = ttrpcMessage({ stream: random.int(0, 9), type, payload });
  const frame = muxFrames(isCall ? RUNTIME_CONNECTION : PLUGIN_CONNECTION, message);
  switch (random.int(0, 9)) {
    case 0:
      frame[random.int(0, frame.length - 1)] = random.int(0, 255);
      return frame;
    case 1:
      return frame.subarray(0, random.int(0, frame.length));
    case 2:
      return bytesOf(random, random.int(1, 100));
    default:
      return frame;
  }
}

function bytesOf(random: Random, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => random.int(0, 255)));
}
