import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { registryAuth } from '../../../../src/convert/image/auth.js';
import { assertRefused } from '../refusals.js';

const none = {
  username: '',
  password: '',
  auth: '',
  server_address: '',
  identity_token: '',
  registry_token: '',
};
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('registryAuth', () => {
  it('is undefined without credentials', () => {
    assert.equal(registryAuth(null, 'quay.io'), undefined);
    assert.equal(registryAuth(none, 'quay.io'), undefined);
    assert.equal(registryAuth({ ...none, server_address: 'quay.io' }, 'quay.io'), undefined);
  });

  it('takes every form', () => {
    const at = { serveraddress: 'quay.io' };
    const user = { ...none, username: 'u', password: 'p' };
    assert.deepEqual(registryAuth(user, 'quay.io'), { username: 'u', password: 'p', ...at });
    const encoded = { ...none, auth: base64('u:p:q') };
    assert.deepEqual(registryAuth(encoded, 'quay.io'), { username: 'u', password: 'p:q', ...at });
    assert.deepEqual(registryAuth({ ...none, identity_token: 't' }, 'quay.io'), {
      identitytoken: 't',
      ...at,
    });
    assert.deepEqual(registryAuth({ ...none, registry_token: 't' }, 'quay.io'), {
      registrytoken: 't',
      ...at,
    });
  });

  it('takes base64 without padding, and cuts trailing NULs off', () => {
    const auth = base64('user:pw\0\0').replace(/=+$/, '');
    assert.equal(registryAuth({ ...none, auth }, 'quay.io')?.password, 'pw');
  });

  it('keeps credentials from other registries', () => {
    const auth = { ...none, username: 'u', password: 'p', server_address: 'https://quay.io/v2/' };
    assert.equal(registryAuth(auth, 'quay.io')?.serveraddress, 'quay.io');
    assert.equal(registryAuth(auth, 'quay.io:444'), undefined);
    assert.equal(registryAuth(auth, 'ghcr.io'), undefined);
  });

  it('knows Docker Hub under all its names', () => {
    for (const server_address of [
      '',
      'docker.io',
      'index.docker.io',
      'https://index.docker.io/v1/',
      'registry-1.docker.io',
    ]) {
      const auth = registryAuth({ ...none, username: 'u', server_address }, 'docker.io');
      assert.equal(auth?.serveraddress, 'https://index.docker.io/v1/', server_address);
    }
  });

  it('refuses a malformed login without showing it', () => {
    for (const auth of [
      '*secret*',
      base64('nocolon'),
      base64(':p'),
      Buffer.from([0x61, 0x3a, 0xff]).toString('base64'),
    ]) {
      assertRefused(() => registryAuth({ ...none, auth }, 'quay.io'), 'auth.auth');
      assert.throws(
        () => registryAuth({ ...none, auth }, 'quay.io'),
        (error) =>
          error instanceof Error && !error.message.includes(auth) && !error.message.includes('nocolon'),
      );
    }
  });
});
