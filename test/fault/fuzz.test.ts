import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { DockerodeEngine } from '../../src/docker/dockerode-engine.js';
import { Code } from '../../src/util/cri-error.js';
import { forEachLimited } from '../../src/util/concurrency.js';
import { silentLogger } from '../../src/util/log.js';
import { allInTurn } from '../support/all-in-turn.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../support/cridock-process.js';
import { pick } from '../support/hostile.js';
import { busyboxTar } from '../support/images.js';
import { COLLECTING_FLAGS, collectedMemory, type CollectedMemory } from '../support/collected-memory.js';
import { added, leftovers, type Leftovers } from '../support/leftovers.js';
import { connectionsTo, holdingsOf, type ProcessHoldings } from '../support/process-holdings.js';
import { seededRandom } from '../support/random.js';
import { TinyRegistry } from '../support/tiny-registry.js';
import { until } from '../support/until.js';
import { field } from '../support/wire.js';
import { Control } from './fuzz/control.js';
import { rpcNamed, wordsOf, type Rpc } from './fuzz/corpus.js';
import { Connection, deliver, pickDelivery, type Outcome } from './fuzz/deliver.js';
import { CGROUP, isHarmless } from './fuzz/harmless.js';
import { ATTACKS, attack } from './fuzz/http2-attacks.js';
import { mutateRequest } from './fuzz/mutations.js';
import { Tally, outcomeName } from './fuzz/tally.js';
import { World } from './fuzz/world.js';

/** CRIDOCK_FUZZ_REQUESTS: how many; 100,000 for the long run. */
const REQUESTS = Number(process.env['CRIDOCK_FUZZ_REQUESTS'] ?? 3_000);
const WARM_UP_REQUESTS = Math.min(1_000, REQUESTS / 3);
const LANES = 12;
const CONNECTIONS = 4;
/** How often the pods are put in order, which takes a second. */
const TEND_EVERY = Math.max(1_500, REQUESTS / 5);
const ATTACKS_AT_A_TIME = 8;
/** Answers hold no more of long messages than some thousand characters. */
const COMPARED_CHARS = 1_000;
/** Big messages are a few, since the test holds them too. */
const BIG_MESSAGES = 6;
const LIMIT_BYTES = 16 * 1024 * 1024;
/** Connections to the Engine that are kept for later requests. */
const POOLED_CONNECTIONS = 32;
/** Of what it holds when all garbage is collected. */
const MAX_GROWTH_MIB = 8;
/** Of the process: V8 and malloc keep what the last long messages took, which is more after some than after others. */
const MAX_PROCESS_GROWTH_MIB = 128;
/** Helpers and connections that are over with the last requests have ended, on a machine that is busy with much else. */
const ENDED_WITHIN_MS = 60_000;
/** What any other client may have to wait, on a machine that is busy with more than this. */
const CONTROL_LIMIT_MS = 30_000;
/** What the test and cridock have in the test's folder. */
const EXPECTED_FILES = ['cni-cache', 'cri.sock', 'ipam', 'log', 'net.d', 'pods', 'root'];

/** Compiled, this file is <root>/<outDir>/test/fault/fuzz.test.js. */
const PROTO = path.join(import.meta.dirname, '../../../proto/runtime/v1/api.proto');

interface Method {
  readonly path: string;
  readonly rpc: Rpc;
  readonly request: protobuf.Type;
}

function allMethods(): Method[] {
  const { root } = protobuf.parse(readFileSync(PROTO, 'utf8'), { keepCase: true });
  root.resolveAll();
  return ['RuntimeService', 'ImageService'].flatMap((service) =>
    root.lookupService(`runtime.v1.${service}`).methodsArray.map(({ name, resolvedRequestType }) => {
      if (resolvedRequestType === null) throw new Error(`${name} takes no message`);
      return { path: `/runtime.v1.${service}/${name}`, rpc: rpcNamed(name), request: resolvedRequestType };
    }),
  );
}

interface Holdings extends ProcessHoldings, CollectedMemory {
  readonly engineConnections: number;
}

describe('hostile requests', { skip: noEngine }, () => {
  const seed = Number(process.env['CRIDOCK_TEST_SEED'] ?? Date.now() % 1_000_000);
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  const methods = allMethods();
  const weighted = methods.flatMap((method) => Array.from({ length: method.rpc.weight }, () => method));
  const byRpc = new Tally();
  const byKind = new Tally();
  /** What must not be, in words. */
  const wrong: string[] = [];
  /** The answers that the log must account for, as `rpc message`. */
  const blamed: string[] = [];
  let registry: TinyRegistry;
  let cridock: CridockProcess;
  let world: World;
  let atStart: Leftovers;
  let keepers: unknown;
  let warm: Holdings;
  let control: Control | undefined;

  before(async () => {
    registry = await TinyRegistry.start(await busyboxTar(`fuzz ${process.pid}`));
    cridock = await startCridock({
      nodeFlags: COLLECTING_FLAGS,
      flags: [`--log-level=${process.env['CRIDOCK_FUZZ_LOG'] ?? 'info'}`, '--log-format=json'],
    });
    atStart = await held();
    world = new World(cridock, registry);
    await world.populate();
    keepers = await world.keepersState();
    control = new Control(cridock.socketPath);
  });
  after(async () => {
    await allInTurn(
      () => control?.stop(),
      () => world.clear(),
      () => world.removeKeepers(),
      () => cridock.stop(),
      () => registry.close(),
      () => engine.close(),
      removeCgroups,
    );
  });

  it(`get ${REQUESTS} answers in time (CRIDOCK_TEST_SEED=${seed})`, async (t) => {
    await fuzz(0, WARM_UP_REQUESTS);
    await attackAll();
    await sendBig();
    warm = await settledHoldings();
    const startedAtMs = performance.now();
    await fuzz(WARM_UP_REQUESTS, REQUESTS);
    const perSecond = ((REQUESTS - WARM_UP_REQUESTS) * 1000) / (performance.now() - startedAtMs);
    t.diagnostic(`${perSecond.toFixed(0)} requests a second`);
    for (const line of [...byRpc.lines(), '', ...byKind.lines()]) t.diagnostic(line);
    assert.deepEqual(wrong, []);
  });

  it('below gRPC harm nobody else', async () => {
    await attackAll();
    await sendBig();
    assert.deepEqual(wrong, []);
  });

  it('leave a log line for each fault of our own', (t) => {
    const lines = cridock.log().split('\n').filter(Boolean);
    const errors = lines.flatMap((line) =>
      line.includes('"level":"error"') ? [JSON.parse(line) as ErrorLine] : [],
    );
    assert.deepEqual(
      errors.filter(({ msg }) => msg.includes('nobody caught')),
      [],
    );
    for (const answer of new Set(blamed)) t.diagnostic(answer.slice(0, 300));
    const told = errors.map(({ rpc, reason }) => `${rpc} ${reason}`.slice(0, COMPARED_CHARS));
    const untold = blamed.filter((answer) => {
      const index = told.indexOf(answer.slice(0, COMPARED_CHARS));
      if (index !== -1) told.splice(index, 1);
      return index === -1;
    });
    assert.deepEqual(untold, []);
  });

  it('hold up no other client, and change no pod of others', async (t) => {
    assert.ok(control !== undefined);
    const { slowestMs, laggedMs, answers, failures } = control.fared;
    const took = `Version took at most ${slowestMs.toFixed(0)} ms of ${answers} calls, on a machine that is late by ${laggedMs.toFixed(0)} ms`;
    t.diagnostic(took);
    assert.deepEqual(failures, []);
    assert.ok(slowestMs < CONTROL_LIMIT_MS + laggedMs, took);
    assert.deepEqual(await world.keepersState(), keepers);
  });

  it('leave nothing behind', async (t) => {
    await world.clear();
    await world.removeKeepers();
    world.keepers.length = 0;
    const left = async () => added(atStart, await held());
    await until('nothing to be left', async () => (await left()).length === 0).catch(() => undefined);
    assert.deepEqual(await left(), []);
    const now = await settledHoldings();
    t.diagnostic(`held when warm ${JSON.stringify(warm)}, at the end ${JSON.stringify(now)}`);
    assert.ok(now.fds <= warm.fds + POOLED_CONNECTIONS, 'more open files');
    assert.ok(now.heldMib <= warm.heldMib + MAX_GROWTH_MIB, 'more memory');
    assert.ok(now.rssMib <= warm.rssMib + MAX_PROCESS_GROWTH_MIB, 'a larger process');
    assert.equal(now.children, 0);
  });

  /** Sends the requests of these numbers; each depends on the seed and its number alone, and on the ids of this run's pods. */
  async function fuzz(from: number, to: number): Promise<void> {
    const connections = Array.from({ length: CONNECTIONS }, () => new Connection(cridock.socketPath));
    for (let start = from; start < to; start += TEND_EVERY) {
      const numbers = Array.from({ length: Math.min(TEND_EVERY, to - start) }, (_, index) => start + index);
      await forEachLimited(numbers, LANES, (number) => one(number, connections));
      await world.tend();
    }
    for (const connection of connections) connection.close();
  }

  async function one(number: number, connections: Connection[]): Promise<void> {
    const random = seededRandom(seed + number);
    const { rpc, path: callPath, request } = pick(random, weighted as [Method]);
    const valid = request.encode(request.fromObject(rpc.valid(world, random))).finish();
    const words = wordsOf(world);
    let { bytes: message, kinds } = mutateRequest(random, valid, request, words);
    while (!isHarmless(rpc.name, message, request, world))
      ({ bytes: message, kinds } = mutateRequest(random, valid, request, words));
    const delivery = pickDelivery(random);
    const own = delivery === 'broken off' ? new Connection(cridock.socketPath) : undefined;
    const connection = own ?? pick(random, connections as [Connection]);
    const outcome = await deliver(random, connection, { ...rpc, path: callPath, message, delivery });
    byRpc.add(rpc.name, outcome);
    byKind.add(delivery === 'whole' ? (kinds[0] ?? 'none') : delivery, outcome);
    judge(`${number} ${rpc.name} ${delivery} ${kinds.join('+')}`, rpc, delivery, outcome);
  }

  function judge(what: string, rpc: Rpc, delivery: string, outcome: Outcome): void {
    const { kind, code, message, tookMs } = outcome;
    const said = `${what}: ${outcomeName(outcome)} ${decodeURIComponent(message)} after ${tookMs.toFixed(0)} ms`;
    const isOdd = ['odd headers', 'broken off', 'cut short', 'unended'].includes(delivery);
    if (kind === 'hang') wrong.push(said);
    if (kind === 'reset' && !isOdd) wrong.push(said);
    if (kind === 'http' && delivery !== 'odd headers') wrong.push(said);
    if (kind !== 'status') return;
    if (!Number.isInteger(code) || code < 0 || code > 16) wrong.push(said);
    if (code === Code.DEADLINE_EXCEEDED && !rpc.mayWait && !isOdd) wrong.push(said);
    if (code === Code.INTERNAL || code === Code.UNKNOWN)
      blamed.push(`${rpc.name} ${decodeURIComponent(message)}`);
  }

  async function attackAll(): Promise<void> {
    await forEachLimited(Object.values(ATTACKS), ATTACKS_AT_A_TIME, (carryOut) =>
      attack(cridock.socketPath, carryOut),
    );
  }

  /** Messages about as long as the limit allows, and longer. */
  async function sendBig(): Promise<void> {
    const random = seededRandom(seed);
    const connection = new Connection(cridock.socketPath);
    const list = methods.find(({ rpc }) => rpc.name === 'ListContainers');
    assert.ok(list !== undefined);
    for (let count = 0; count < BIG_MESSAGES; count += 1) {
      const isTooLong = count % 2 === 1;
      const filter = { id: 'x'.repeat(isTooLong ? LIMIT_BYTES : LIMIT_BYTES - 1_000) };
      const message = Buffer.from(list.request.encode({ filter }).finish());
      const sent = { ...list.rpc, path: list.path, message, delivery: 'whole' } as const;
      const outcome = await deliver(random, connection, sent);
      byKind.add(isTooLong ? 'too long' : 'just short enough', outcome);
      if (outcomeName(outcome) !== (isTooLong ? 'RESOURCE_EXHAUSTED' : 'OK'))
        wrong.push(`a big message: ${outcomeName(outcome)} ${outcome.message}`);
    }
    // Each item of the filter's map takes two bytes here, and much more when it is decoded.
    const filter = Buffer.alloc(LIMIT_BYTES / 2, field(4, ''));
    const many = { ...list.rpc, path: list.path, message: field(1, filter), delivery: 'whole' } as const;
    const outcome = await deliver(random, connection, many);
    byKind.add('very many fields', outcome);
    if (outcomeName(outcome) !== 'INVALID_ARGUMENT') wrong.push(`very many fields: ${outcomeName(outcome)}`);
    connection.close();
  }

  /** What it holds when all that ends a little later has ended: helpers, connections, garbage. */
  async function settledHoldings(): Promise<Holdings> {
    await until('helpers have ended', () => holdingsOf(cridock.pid).children === 0, ENDED_WITHIN_MS);
    const memory = await collectedMemory(cridock);
    return {
      ...holdingsOf(cridock.pid),
      ...memory,
      engineConnections: connectionsTo(testDockerEndpoint.replace(/^unix:\/\//, '')),
    };
  }

  /** What pods leave behind, and what no pod asks for. */
  async function held(): Promise<Leftovers> {
    const { DockerRootDir: rootDir } = await engine.info();
    return {
      ...(await leftovers(engine, cridock)),
      containers: (await engine.listContainers([])).map(({ Id }) => Id),
      volumes: readdirSync(path.join(rootDir, 'volumes')),
      outside: readdirSync(cridock.directory).filter((name) => !EXPECTED_FILES.includes(name)),
    };
  }
});

interface ErrorLine {
  readonly msg: string;
  readonly rpc?: string;
  readonly reason?: string;
}

/** Docker removes a container's cgroup, but not those above it. */
function removeCgroups(): void {
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
    const folder = path.join('/sys/fs/cgroup', hierarchy, CGROUP);
    if (existsSync(folder)) removeFolders(folder);
  }
}

function removeFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeFolders(path.join(folder, entry.name));
  rmdirSync(folder);
}
