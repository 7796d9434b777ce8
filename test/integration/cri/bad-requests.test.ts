import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Code } from '../../../src/util/cri-error.js';
import { noEngine, startCridock } from '../../support/cridock-process.js';
import type { CridockProcess } from '../../support/cridock-process.js';
import { grpcFrame, postGrpc, sendUnlimited } from '../../support/wire.js';
import { containerRows } from './bad-requests/container-rows.js';
import { SECRET, imageRows } from './bad-requests/image-rows.js';
import { objectRows } from './bad-requests/object-rows.js';
import { sandboxRows } from './bad-requests/sandbox-rows.js';
import { streamingRows } from './bad-requests/streaming-rows.js';
import { notUtf8, servedRpcs, streamedRpcs } from './bad-requests/wire-rows.js';
import type { World } from './bad-requests/world.js';
import { idsWithLabel, makeWorld, removeWithLabel } from './bad-requests/world.js';

const factsPath = resolve(import.meta.dirname, '../../../../test/fixtures/cri-v1.json');
const TOO_LARGE_BYTES = 17 * 1024 * 1024;
const TRUNCATED = Buffer.from([0x0a, 0x05, 0x61]); // field 1, five bytes long, but there is only one

describe('bad requests', { skip: noEngine }, () => {
  const label = randomUUID();
  let cridock: CridockProcess;
  let world: World;
  let idsBefore: string[];

  before(async () => {
    cridock = await startCridock();
    world = await makeWorld(cridock.client, label);
    idsBefore = await idsWithLabel(cridock.client, label);
  });
  after(async () => {
    try {
      await removeWithLabel(cridock.client, label);
    } finally {
      await cridock.stop(); // rejects if the process has died meanwhile
    }
  });
  afterEach(async () => {
    await cridock.client.runtime.Version({}, { timeoutMs: 10_000 });
  });

  for (const { rpc, name, code, names, send } of [
    ...sandboxRows,
    ...containerRows,
    ...objectRows,
    ...imageRows,
    ...streamingRows,
  ]) {
    it(`${rpc} with ${name}: ${code}`, async () => {
      const outcome = await outcomeOf(send(cridock.client, world));
      assert.deepEqual(outcome.code, code, outcome.message);
      if (names !== undefined)
        assert.ok(outcome.message.includes(names), `"${outcome.message}" names ${names}`);
    });
  }

  for (const [method, bytes, names] of notUtf8) {
    it(`${method} with ${names} that is not UTF-8: INVALID_ARGUMENT`, async () => {
      const outcome = await outcomeOf(cridock.client.rawCall(`/runtime.v1.${method}`, bytes));
      assert.equal(outcome.code, 'INVALID_ARGUMENT', outcome.message);
      assert.ok(outcome.message.includes(names), `"${outcome.message}" names ${names}`);
    });
  }

  for (const [service, served] of Object.entries(servedRpcs)) {
    for (const rpc of served) {
      it(`${rpc} with malformed protobuf: INVALID_ARGUMENT`, async () => {
        const outcome = await outcomeOf(cridock.client.rawCall(`/runtime.v1.${service}/${rpc}`, TRUNCATED));
        assert.equal(outcome.code, 'INVALID_ARGUMENT', outcome.message);
        assert.match(outcome.message, /malformed/);
      });

      it(`${rpc} with 17 MiB: RESOURCE_EXHAUSTED`, async () => {
        const path = `/runtime.v1.${service}/${rpc}`;
        const error = await sendUnlimited(cridock.socketPath, path, Buffer.alloc(TOO_LARGE_BYTES));
        assert.equal(error?.code, Code.RESOURCE_EXHAUSTED, error?.message);
      });
    }
  }

  for (const method of unservedMethods()) {
    it(`${method}: UNIMPLEMENTED`, async () => {
      const outcome = await outcomeOf(cridock.client.rawCall(method, Buffer.alloc(0)));
      assert.equal(outcome.code, 'UNIMPLEMENTED', outcome.message);
    });
  }

  const versionPath = '/runtime.v1.RuntimeService/Version';
  const version = grpcFrame(Buffer.alloc(0));
  const brokenCalls = [
    { name: 'no message', body: Buffer.alloc(0) },
    { name: 'two messages', body: Buffer.concat([version, version]) },
    { name: 'half a frame', body: version.subarray(0, 3) },
    { name: 'a frame that is shorter than it says', body: grpcFrame(Buffer.alloc(3), { length: 1000 }) },
    { name: 'a frame that is larger than any', body: grpcFrame(Buffer.alloc(3), { length: 0xffff_ffff }) },
    { name: 'a compressed message without an encoding', body: grpcFrame(Buffer.alloc(3), { flag: 1 }) },
    {
      name: 'a broken compressed message',
      body: grpcFrame(TRUNCATED, { flag: 1 }),
      headers: { 'grpc-encoding': 'gzip' },
    },
    {
      name: 'an unknown encoding',
      body: grpcFrame(TRUNCATED, { flag: 1 }),
      headers: { 'grpc-encoding': 'br9' },
    },
    { name: 'a deadline that is none', body: version, headers: { 'grpc-timeout': 'soon' } },
    { name: 'another content type', body: version, headers: { 'content-type': 'text/plain' } },
  ];
  for (const { name, body, headers } of brokenCalls) {
    it(`a call with ${name} fails`, async () => {
      const outcome = await postGrpc(cridock.socketPath, versionPath, body, headers);
      assert.notEqual(outcome.grpcStatus, 0);
    });
  }

  it('have made nothing, have removed nothing, and no secret is in the log', async () => {
    assert.deepEqual(await idsWithLabel(cridock.client, label), idsBefore);
    assert.ok(!cridock.log().includes(SECRET));
  });
});

async function outcomeOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call;
    return { code: 'OK', message: '' };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && 'details' in error)) throw error;
    const [code] = Object.entries(Code).find(([, number]) => number === error.code) ?? [String(error.code)];
    const message = String(error.details);
    assert.ok(!message.includes(SECRET), 'the message holds a secret');
    return { code, message };
  }
}

/** The RPCs of CRI v1 that are not served, and paths that are not of CRI v1. */
function unservedMethods(): string[] {
  const facts = JSON.parse(readFileSync(factsPath, 'utf8')) as { services: Record<string, object> };
  const served: ReadonlySet<string> = new Set([...Object.values(servedRpcs).flat(), ...streamedRpcs]);
  const unserved = Object.entries(facts.services).flatMap(([service, rpcs]) =>
    Object.keys(rpcs)
      .filter((rpc) => !served.has(rpc))
      .map((rpc) => `/runtime.v1.${service}/${rpc}`),
  );
  return [...unserved, '/runtime.v1.RuntimeService/NoSuch', '/runtime.v1alpha2.RuntimeService/Version', '/'];
}
