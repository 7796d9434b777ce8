import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, Socket, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { Nri } from '../../../src/nri/nri.js';
import { Plugin } from '../../../src/nri/plugin.js';
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
import { nriOptions, unchangingHost } from '../../support/nri-runtime.js';
import { TestPlugin } from '../../support/nri-plugin.js';
import { seededRandom } from '../../support/random.js';
import { until } from '../../support/until.js';

const MESSAGES = Number(process.env['CRIDOCK_NRI_FUZZ_MESSAGES'] ?? 10_000);
/** So many to a connection: most break the protocol sooner. */
const MESSAGES_EACH = 50;
/** Growth counts after the first of them, in so many parts. */
const WARM_UP = 5_000;
const SEGMENTS = 5;
/** A message that is kept takes more; objects of connections are counted. */
const LOST_BYTES_A_MESSAGE = 32;
/** Nothing here waits for so long, but for what is lost. */
const PATIENCE_MS = 600_000;

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

  it(`${MESSAGES} messages that are partly wrong: no crash, and nothing grows`, async (t) => {
    const random = randomNumbers();
    const runtime = await FuzzedRuntime.start();
    t.after(() => runtime.stop());
    const round = async (messages: number): Promise<Holdings> => {
      for (let sent = 0; sent < messages; sent += MESSAGES_EACH) await runtime.attack(random);
      return runtime.holdings();
    };
    const holdings = [await round(WARM_UP)];
    const messages = (MESSAGES - WARM_UP) / SEGMENTS;
    for (let segment = 0; segment < SEGMENTS; segment += 1) holdings.push(await round(messages));
    const { told, broken, registered } = runtime;
    assert.ok(
      told > 0 && broken > 0 && registered > 0,
      `${told} told, ${broken} broken, ${registered} registered`,
    );
    const [first, last] = [holdings[0], holdings.at(-1)];
    assert.deepEqual(last?.open, first?.open);
    // What is lost grows in each segment; what a process comes to keep by itself does not.
    const growth = holdings.slice(1).map(({ bytes }, at) => bytes - (holdings[at]?.bytes ?? 0));
    const perMessage = Math.min(...growth) / messages;
    t.diagnostic(
      `growth of memory, bytes in each ${messages} messages after the first ${WARM_UP}: ${growth.join(', ')}`,
    );
    assert.ok(perMessage < LOST_BYTES_A_MESSAGE, `it grows by ${perMessage.toFixed(1)} bytes a message`);
  });
});

/** What the process holds, when nothing is left that a collection would free. */
interface Holdings {
  readonly bytes: number;
  /** Descriptors, what Node waits for, such as timers and sockets, and objects, by kind. */
  readonly open: Readonly<Record<string, number>>;
}

/** The runtime's side, with one plugin that is always as it should be, beside others that are not. */
class FuzzedRuntime {
  told = 0;
  broken = 0;
  registered = 0;
  readonly #nri: Nri;
  readonly #server: Server;
  readonly #directory: string;
  #steady: TestPlugin | undefined;

  private constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'cridock-nri-fuzz-'));
    const host = unchangingHost({ pods: [{ id: 'p', pid: 1 }], containers: [] });
    this.#nri = new Nri(nriOptions(PATIENCE_MS), () => host);
    this.#server = createServer((socket) => void this.#nri.connect(socket));
  }

  static async start(): Promise<FuzzedRuntime> {
    const runtime = new FuzzedRuntime();
    await new Promise<void>((resolve) => runtime.#server.listen(runtime.#path, resolve));
    runtime.#steady = await TestPlugin.register(runtime.#path, { index: '00', base: 'steady' });
    await until('it is told of events', () => !runtime.#nri.isIdle);
    return runtime;
  }

  get #path(): string {
    return join(this.#directory, 'nri.sock');
  }

  /** One plugin that registers, or not, and then sends what is partly wrong until it is cut off. */
  async attack(random: Random): Promise<void> {
    const socket = connect(this.#path);
    const plugin = new TestPlugin(socket, { index: '10', base: 'odd' });
    if (random.int(0, 2) === 0) {
      await plugin.register();
      await until('it is told of events', () => this.#nri.plugins.all.length === 2);
      this.registered += 1;
    }
    socket.removeAllListeners('data').resume(); // from now on it does not answer
    const telling = this.#tell();
    for (let index = 0; index < MESSAGES_EACH && !socket.destroyed; index += 1) {
      socket.write(wrongMessage(random));
      await nextTurn();
    }
    if (plugin.isClosed) this.broken += 1;
    socket.destroy();
    await telling;
  }

  /** All that an attack has opened is closed again. */
  async holdings(): Promise<Holdings> {
    await until('all others are gone', () => this.#nri.plugins.all.length === 1);
    await until('all connections are closed', () => connectionsOf(this.#server).then((count) => count === 1));
    const open: Record<string, number> = { descriptors: readdirSync('/proc/self/fd').length };
    for (const kind of process.getActiveResourcesInfo()) open[kind] = (open[kind] ?? 0) + 1;
    // This collects what is dead, more thoroughly than `gc` does.
    for (const kind of [Link, Plugin, Socket, MuxReader, Promise]) {
      open[kind.name] = queryObjects(kind, { format: 'count' });
    }
    const { heapUsed, external } = process.memoryUsage();
    return { bytes: heapUsed + external, open };
  }

  async stop(): Promise<void> {
    this.#steady?.close();
    this.#server.close();
    await this.#nri.stop();
    rmSync(this.#directory, { recursive: true });
  }

  /** An event goes on, whatever the other plugin does. */
  async #tell(): Promise<void> {
    await this.#nri.plugins.tell('RunPodSandbox', () => ({ pod: { id: 'p' } })).catch(() => undefined);
    if (this.#steady?.calls.at(-1) === 'RunPodSandbox') this.told += 1;
    this.#steady?.requests.clear();
    this.#steady?.calls.splice(0);
  }
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

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
