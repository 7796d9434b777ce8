import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redact } from '../../../src/util/redact.js';

describe('redact', () => {
  it('hides the credentials of a pull', () => {
    const request = {
      image: { image: 'private/app:1', annotations: {} },
      auth: { username: 'u', password: 'p', auth: 'dTpw', identity_token: 't', registry_token: 'r' },
    };
    assert.deepEqual(redact(request), { image: request.image, auth: '[redacted]' });
  });

  const secrets = [
    'password',
    'Passwd',
    'identity_token',
    'identitytoken',
    'registryToken',
    'X-Registry-Auth',
    'authConfig',
    'auths',
    'Authorization',
    'proxy-authorization',
    'client_secret',
    'privateKey',
    'api_key',
    'Set-Cookie',
    'credential_spec',
  ];
  for (const key of secrets) {
    it(`hides ${key}`, () => {
      assert.deepEqual(redact({ deep: [{ [key]: 'hush' }] }), { deep: [{ [key]: '[redacted]' }] });
    });
  }

  it('keeps what only sounds alike', () => {
    const harmless = { author: 'me', passed: true, authority: 'localhost', tty: false, key: 'a', unset: '' };
    assert.deepEqual(redact(harmless), harmless);
  });

  it('keeps the names of environment variables, not their values', () => {
    assert.deepEqual(redact({ config: { envs: [{ key: 'PIN', value: '1234' }] } }), {
      config: { envs: ['PIN'] },
    });
    assert.deepEqual(redact({ Env: ['PIN=1=2', 'EMPTY'] }), { Env: ['PIN', 'EMPTY'] });
    assert.deepEqual(redact({ env: { PIN: '1234' } }), { env: ['PIN'] });
  });

  it('hides the manifest that kubectl keeps in an annotation', () => {
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{"env":"1234"}', 'a/b': 'c' };
    assert.deepEqual(redact({ annotations }), {
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '[redacted]', 'a/b': 'c' },
    });
  });

  it('writes errors with stack and causes', () => {
    const error = new Error('outer', { cause: new Error('inner') });
    assert.deepEqual(redact({ error }), {
      error: {
        message: 'outer',
        stack: error.stack,
        cause: { message: 'inner', stack: (error.cause as Error).stack },
      },
    });
  });

  it('ends on what refers to itself, and takes bytes and big integers', () => {
    const loop: Record<string, unknown> = { bytes: Buffer.alloc(3), big: 12n };
    loop['self'] = loop;
    assert.match(JSON.stringify(redact(loop)), /^\{"bytes":"\[3 bytes\]","big":"12",.*"\[\.\.\.\]"/);
  });
});
