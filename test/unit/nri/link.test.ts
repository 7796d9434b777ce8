import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { RUNTIME_SERVICE } from '../../../src/nri/protocol.js';
import { envelopes, type ResponseEnvelope } from '../../../src/nri/wire/envelopes.js';
import { Link, type Serve } from '../../../src/nri/wire/link.js';
import { muxFrames, MuxReader, PLUGIN_CONNECTION, RUNTIME_CONNECTION } from '../../../src/nri/wire/mux.js';
import {
  MAX_MESSAGE_BYTES,
  MessageType,
  TtrpcReader,
  ttrpcMessage,
} from '../../../src/nri/wire/ttrpc-frames.js';
import { until } from '../../support/until.js';

const NEVER = new Promise<Buffer>(() => undefined);
const PATIENCE_MS = 60_000;

/** A link, and the plugin's end of it, whose answers are read. */
function linked(serve: Serve): { link: Link; far: Duplex; answers: ResponseEnvelope[] } {
  const [near, far] = duplexPair();
  const answers: ResponseEnvelope[] = [];
  const reader = new TtrpcReader(({ payload }) => answers.push(envelopes.decodeResponse(payload)));
  const mux = new MuxReader((connection, payload) => {
    if (connection === RUNTIME_CONNECTION) reader.push(payload);
  });
  far.on('error', () => undefined).on('data', (chunk: Buffer) => mux.push(chunk));
  return { link: new Link(near, serve), far, answers };
}

function call(stream: number, payload = Buffer.alloc(0)): Buffer {
  const request = { service: RUNTIME_SERVICE, method: 'UpdateContainers', payload, timeout_nano: '0' };
  return ttrpcMessage({ stream, type: MessageType.REQUEST, payload: envelopes.encodeRequest(request) });
}

function answer(stream: number): Buffer {
  const payload = envelopes.encodeResponse({ status: null, payload: Buffer.from('yes') });
  return muxFrames(PLUGIN_CONNECTION, ttrpcMessage({ stream, type: MessageType.RESPONSE, payload }));
}

/** All of it in one frame, as no plugin has to send it. */
function oneFrame(connection: number, payload: Buffer): Buffer {
  assert.ok(payload.length <= MAX_MESSAGE_BYTES);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(connection, 0);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe("a link of NRI's", () => {
  it('answers a few calls at a time, and the others after them', async () => {
    let served = 0;
    let most = 0;
    const { link, far, answers } = linked(async () => {
      served += 1;
      most = Math.max(most, served);
      await new Promise((resolve) => setImmediate(resolve));
      served -= 1;
      return Buffer.alloc(0);
    });
    const calls = Array.from({ length: 1_000 }, (_, index) => call(index * 2 + 1));
    far.write(oneFrame(RUNTIME_CONNECTION, Buffer.concat(calls)));
    await until('all are answered', () => answers.length === 1_000);
    assert.equal(most, 16);
    assert.equal(link.closeReason, undefined);
    link.close('over');
  });

  it('a flood of calls costs the connection, and is not served', async () => {
    let served = 0;
    const { link, far } = linked(() => {
      served += 1;
      return NEVER;
    });
    far.write(oneFrame(RUNTIME_CONNECTION, Buffer.concat(Array.from({ length: 20_000 }, () => call(1)))));
    assert.match(await link.closed, /more calls at a time than are answered/);
    assert.equal(served, 16);
    assert.ok(link.isBroken);
  });

  it('calls that are few, but large, are a flood as well', async () => {
    let served = 0;
    const { link, far } = linked(() => {
      served += 1;
      return NEVER;
    });
    const large = Buffer.alloc(3 * 1024 * 1024);
    for (let index = 0; index < 24 && link.closeReason === undefined; index += 1) {
      far.write(oneFrame(RUNTIME_CONNECTION, call(index * 2 + 1, large)));
    }
    assert.match(await link.closed, /more calls at a time than are answered/);
    assert.equal(served, 16);
  });

  it('hears answers while as many calls are served as are at a time', async () => {
    const { link, far } = linked(() => NEVER);
    for (let index = 0; index < 20; index += 1) {
      far.write(muxFrames(RUNTIME_CONNECTION, call(index * 2 + 1)));
    }
    const asked = link.call('s', 'm', Buffer.alloc(0), PATIENCE_MS);
    far.write(answer(1));
    assert.equal(Buffer.from(await asked).toString(), 'yes');
    link.close('over');
  });

  it('a reply that is too long is an error to who asked, and to nobody else', async () => {
    const { link, far, answers } = linked(() => Promise.resolve(Buffer.alloc(MAX_MESSAGE_BYTES)));
    far.write(muxFrames(RUNTIME_CONNECTION, call(1)));
    await until('it is answered', () => answers.length === 1);
    assert.match(answers[0]?.status?.message ?? '', /a message of \d+ bytes/);
    assert.equal(link.closeReason, undefined);
    link.close('over');
  });

  it('an answer that nobody has asked for ends it; one that comes too late is passed over', async () => {
    const { link, far } = linked(() => NEVER);
    await assert.rejects(link.call('s', 'm', Buffer.alloc(0), 1), /no answer/);
    far.write(answer(1));
    const asked = link.call('s', 'm', Buffer.alloc(0), PATIENCE_MS);
    far.write(answer(3));
    await asked;
    far.write(answer(5));
    assert.match(await link.closed, /an answer that nobody has asked for/);
  });
});
