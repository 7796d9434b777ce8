import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseEndpoint } from '../../../src/docker/endpoint.js';
import { Code } from '../../../src/util/cri-error.js';

describe('endpoint', () => {
  it('reads both kinds', () => {
    const unix = parseEndpoint('unix:///run/d.sock', { DOCKER_HOST: 'tcp://elsewhere:1' });
    assert.deepEqual(unix, { kind: 'unix', text: 'unix:///run/d.sock', socketPath: '/run/d.sock' });
    const { text, ...tcp } = parseEndpoint('tcp://[::1]:2375', {});
    assert.equal(text, 'tcp://[::1]:2375');
    assert.deepEqual(tcp, { kind: 'tcp', hostname: '[::1]', port: 2375, tls: undefined });
  });

  it('takes the environment for the empty text, and else the usual socket', () => {
    assert.equal(parseEndpoint('', { DOCKER_HOST: 'tcp://127.0.0.1:9' }).text, 'tcp://127.0.0.1:9');
    assert.equal(parseEndpoint('', {}).text, 'unix:///var/run/docker.sock');
  });

  it('reads certificates only for an endpoint of the environment', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-certs-'));
    try {
      for (const name of ['ca.pem', 'cert.pem', 'key.pem']) writeFileSync(join(folder, name), name);
      const env = { DOCKER_HOST: 'tcp://h:2376', DOCKER_CERT_PATH: folder, DOCKER_TLS_VERIFY: '1' };
      const endpoint = parseEndpoint('', env);
      assert.ok(endpoint.kind === 'tcp');
      assert.equal(endpoint.tls?.key.toString(), 'key.pem');
      assert.equal(endpoint.tls.rejectUnauthorized, true);
      const unverified = parseEndpoint('', { ...env, DOCKER_TLS_VERIFY: '' });
      assert.ok(unverified.kind === 'tcp' && unverified.tls?.rejectUnauthorized === false);
      const explicit = parseEndpoint('tcp://h:2376', env);
      assert.ok(explicit.kind === 'tcp' && explicit.tls === undefined);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const missing = { DOCKER_HOST: 'tcp://h:2376', DOCKER_CERT_PATH: folder };
    assert.throws(() => parseEndpoint('', missing), { code: Code.INVALID_ARGUMENT });
  });

  for (const text of [
    'docker.sock',
    'unix://relative',
    'unix://',
    'tcp://host',
    'tcp://host:99999',
    'ssh://h:22',
    'http://h:1',
  ]) {
    it(`refuses ${text}`, () => {
      assert.throws(() => parseEndpoint(text, {}), {
        code: Code.INVALID_ARGUMENT,
        message: /docker-endpoint: /,
      });
    });
  }
});
