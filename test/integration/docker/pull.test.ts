import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { Code } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { busyboxTar } from '../../support/images.js';
import { refuse, TinyRegistry } from '../../support/tiny-registry.js';

const endpoint = process.env['CRIDOCK_TEST_DOCKER'] ?? 'unix:///var/run/docker.sock';
const skip = existsSync(endpoint.replace(/^unix:\/\//, '')) ? false : `no Docker Engine at ${endpoint}`;
const progressDeadlineMs = 30_000;
const auth = { username: 'user', password: 'pass?>~', serveraddress: '' };

describe('pullImage on a real Engine', { skip }, () => {
  let registry: TinyRegistry;
  let engine: DockerodeEngine;
  let repository: string;

  before(async () => {
    registry = await TinyRegistry.start(await busyboxTar(randomBytes(8).toString('hex')));
    repository = `${registry.host}/cridock-test`;
    engine = new DockerodeEngine({ endpoint, env: {}, log: silentLogger });
  });
  beforeEach(() => {
    registry.intercept = () => false;
  });
  after(async () => {
    engine.close();
    await registry.close();
  });

  const pull = (reference: string) => engine.pullImage(reference, { progressDeadlineMs });
  const isBlob = (request: IncomingMessage) => request.url?.includes('/blobs/') === true;

  it('pulls by tag and by digest', async () => {
    for (const reference of [`${repository}:good`, `${repository}@${registry.digest}`]) {
      await pull(reference);
      const { Id, RepoDigests } = await engine.inspectImage(reference);
      assert.ok(RepoDigests?.includes(`${repository}@${registry.digest}`));
      await engine.removeImage(Id);
    }
  });

  it('sends credentials that the Engine can read', async () => {
    const wanted = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
    registry.intercept = (request, response) => {
      if (request.headers.authorization === wanted) return false;
      response.setHeader('WWW-Authenticate', 'Basic realm="test"');
      refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
      return true;
    };
    const reference = `${repository}:good`;
    await assert.rejects(pull(reference), { code: Code.UNAUTHENTICATED });
    await engine.pullImage(reference, {
      auth: { ...auth, serveraddress: registry.host },
      progressDeadlineMs,
    });
    await engine.removeImage((await engine.inspectImage(reference)).Id);
  });

  it('says NOT_FOUND for an unknown tag', async () => {
    await assert.rejects(pull(`${repository}:bad`), { code: Code.NOT_FOUND });
  });

  it('says PERMISSION_DENIED where the registry denies', async () => {
    registry.intercept = (request, response) => {
      if (request.url?.includes('/manifests/') !== true) return false;
      refuse(response, 403, 'DENIED', 'requested access to the resource is denied');
      return true;
    };
    await assert.rejects(pull(`${repository}:good`), { code: Code.PERMISSION_DENIED });
  });

  it('says RegistryUnavailable for a registry that answers 503', async () => {
    registry.intercept = (_request, response) => {
      response.writeHead(503).end();
      return true;
    };
    await assert.rejects(pull(`${repository}:good`), {
      code: Code.UNKNOWN,
      message: /^RegistryUnavailable: /,
    });
  });

  it('says RegistryUnavailable for a registry that is not there, or has no address', async () => {
    for (const reference of ['127.0.0.1:9/a:1', 'registry.invalid/a:1']) {
      await assert.rejects(pull(reference), { code: Code.UNKNOWN, message: /^RegistryUnavailable: / });
    }
  });

  const silences: [string, (request: IncomingMessage, response: ServerResponse) => boolean, RegExp][] = [
    ['says nothing at all', () => true, /no progress for 5s \(no answer from the registry yet\)$/],
    ['stops within a layer', stopWithinLayer, /no progress for 5s \(0 of 1 layers(, \d of 1 MB)?\)$/],
  ];
  for (const [name, intercept, message] of silences) {
    it(`ends the pull from a registry that ${name}`, async () => {
      registry.intercept = intercept;
      const pulling = engine.pullImage(`${repository}:good`, { progressDeadlineMs: 5_000 });
      await assert.rejects(pulling, { code: Code.DEADLINE_EXCEEDED, message });
    });
  }

  it('ends a pull with its caller', async () => {
    const controller = new AbortController();
    registry.intercept = (request) => {
      if (isBlob(request)) controller.abort();
      return isBlob(request);
    };
    const { signal } = controller;
    const pulling = engine.pullImage(`${repository}:good`, { progressDeadlineMs, signal });
    await assert.rejects(pulling, { code: Code.CANCELLED });
  });

  function stopWithinLayer(request: IncomingMessage, response: ServerResponse): boolean {
    const { digest, bytes } = registry.layer;
    if (request.url?.endsWith(digest) !== true) return false;
    response.writeHead(200, { 'Content-Length': bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2));
    return true;
  }
});
