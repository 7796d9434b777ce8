import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import type { AuthConfig } from '../../../../src/gen/runtime/v1/AuthConfig.js';
import { noEngine } from '../../../support/cridock-process.js';
import { busyboxTar } from '../../../support/images.js';
import { TestNode } from '../../../support/test-node.js';
import { refuse, TinyRegistry } from '../../../support/tiny-registry.js';

const USER = 'somebody';
const PASSWORD = 'pass?>~ü';
const LOGIN = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
const TOKEN = 'a-token';

/** The registry must get the credentials, and nobody else. */
describe('auth of PullImage', { skip: noEngine }, () => {
  let node: TestNode;
  let registry: TinyRegistry;

  before(async () => {
    registry = await TinyRegistry.start(await busyboxTar(`private ${process.pid}`));
    node = await TestNode.start();
  });
  after(async () => {
    await node.close();
    await registry.close();
  });

  const image = () => ({ image: `${registry.host}/private:good` });
  const isPulled = async (auth: AuthConfig | null): Promise<boolean> => {
    try {
      await node.cridock.client.image.PullImage({ image: image(), auth });
      return true;
    } catch {
      return false;
    }
  };
  afterEach(async () => {
    await node.cridock.client.image.RemoveImage({ image: image() });
  });

  describe('where the registry wants a login', () => {
    before(() => {
      registry.intercept = (request, response) => {
        if (request.headers.authorization === `Basic ${LOGIN}`) return false;
        return unauthorised(response, 'Basic realm="test"');
      };
    });

    it('username and password', async () => {
      assert.equal(await isPulled({ username: USER, password: PASSWORD }), true);
    });
    it('auth', async () => {
      assert.equal(await isPulled({ auth: LOGIN }), true);
    });
    it('server_address: the login goes to no other registry', async () => {
      assert.equal(await isPulled({ auth: LOGIN, server_address: 'https://other.test' }), false);
      assert.equal(await isPulled({ auth: LOGIN, server_address: registry.host }), true);
    });
    it('a wrong login, or none, is refused', async () => {
      assert.equal(await isPulled({ username: USER, password: 'wrong' }), false);
      assert.equal(await isPulled(null), false);
    });
  });

  describe('where the registry wants a token', () => {
    before(() => {
      registry.intercept = (request, response) => {
        if (request.url?.startsWith('/token') === true) {
          void grant(request, response);
          return true;
        }
        if (request.headers.authorization === `Bearer ${TOKEN}`) return false;
        return unauthorised(response, `Bearer realm="http://${registry.host}/token",service="test"`);
      };
    });

    it('identity_token: is exchanged for one', async () => {
      assert.equal(await isPulled({ identity_token: 'who-i-am' }), true);
      assert.equal(await isPulled({ identity_token: 'somebody-else' }), false);
    });
    it('registry_token: is one', async () => {
      assert.equal(await isPulled({ registry_token: TOKEN }), true);
      assert.equal(await isPulled({ registry_token: 'another' }), false);
    });
  });
});

function unauthorised(response: ServerResponse, challenge: string): true {
  response.setHeader('WWW-Authenticate', challenge);
  refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
  return true;
}

/** The token service: gives the token to who shows the identity token. */
async function grant(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let form = '';
  for await (const chunk of request) form += String(chunk);
  const known = new URLSearchParams(form).get('refresh_token') === 'who-i-am';
  response.writeHead(known ? 200 : 401, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(known ? { access_token: TOKEN, token: TOKEN, expires_in: 300 } : {}));
}
