import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { responseError } from '../../../src/docker/errors.js';
import { pullError } from '../../../src/docker/pull-errors.js';
import { Code, CriError } from '../../../src/util/cri-error.js';

/** HTTP status and text as Engines give them. */
const cases: { status: number; text: string; code: Code; prefix?: string }[] = [
  ...[
    'Get "http://127.0.0.1:5999/v2/": dial tcp 127.0.0.1:5999: connect: connection refused',
    'Get "https://nosuch.example/v2/": dial tcp: lookup nosuch.example on 10.0.0.10:53: no such host',
    'Get "https://r.example/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)',
    'Get "https://r.example/v2/": net/http: TLS handshake timeout',
    'Get "https://r.example/v2/": x509: certificate signed by unknown authority',
    'Get "https://r.example/v2/": http: server gave HTTP response to HTTPS client',
    'Head "http://r.example/v2/a/manifests/1": EOF',
    'received unexpected HTTP status: 503 Service Unavailable',
    'failed to resolve reference "r.example/a:1": unexpected status from HEAD request to http://r.example/v2/a/manifests/1: 502 Bad Gateway',
    'failed to do request: Head "https://r.example/v2/a/manifests/1": dial tcp 10.1.1.1:443: i/o timeout',
    'read tcp 10.0.0.1:51122->10.0.0.2:443: read: connection reset by peer',
  ].map((text) => ({ status: 500, text, code: Code.UNKNOWN, prefix: 'RegistryUnavailable: ' })),
  {
    status: 404,
    text: 'manifest for a:1 not found: manifest unknown: manifest unknown',
    code: Code.NOT_FOUND,
  },
  { status: 404, text: 'failed to resolve reference "r/a:1": r/a:1: not found', code: Code.NOT_FOUND },
  { status: 500, text: 'manifest for org/unauthorized:1 not found: manifest unknown', code: Code.NOT_FOUND },
  {
    status: 404,
    text: "pull access denied for a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    code: Code.PERMISSION_DENIED,
  },
  {
    status: 404,
    text: 'failed to resolve reference "r/a:1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    code: Code.PERMISSION_DENIED,
  },
  {
    status: 500,
    text: 'failed to resolve reference "r/a:1": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
    code: Code.UNAUTHENTICATED,
  },
  {
    status: 500,
    text: 'Head "http://r/v2/a/manifests/1": no basic auth credentials',
    code: Code.UNAUTHENTICATED,
  },
  {
    status: 500,
    text: 'Get "http://r/v2/": unauthorized: authentication required',
    code: Code.UNAUTHENTICATED,
  },
  { status: 500, text: 'denied', code: Code.PERMISSION_DENIED },
  { status: 500, text: 'unauthorized', code: Code.UNAUTHENTICATED },
  // Engine 29 with the containerd image store.
  { status: 500, text: 'error from registry: denied\ndenied', code: Code.PERMISSION_DENIED },
  {
    status: 500,
    text: 'error from registry: requested access to the resource is denied\ndenied: requested access to the resource is denied',
    code: Code.PERMISSION_DENIED,
  },
  { status: 500, text: 'error from registry: unauthorized\nunauthorized', code: Code.UNAUTHENTICATED },
  {
    status: 500,
    text: 'failed to do request: Head "http://r.example/v2/a/manifests/1": EOF\nEOF',
    code: Code.UNKNOWN,
    prefix: 'RegistryUnavailable: ',
  },
  { status: 400, text: 'invalid reference format', code: Code.INVALID_ARGUMENT },
  { status: 500, text: 'write /var/lib/docker/tmp/x: no space left on device', code: Code.UNKNOWN },
  {
    status: 500,
    text: 'image signature verification failed',
    code: Code.UNKNOWN,
    prefix: 'SignatureValidationFailed: ',
  },
];

describe('pull errors', () => {
  for (const { status, text, code, prefix = '' } of cases) {
    it(`${prefix || `code ${code}`} for "${text.slice(0, 60)}"`, () => {
      const error = pullError(responseError(status, JSON.stringify({ message: text })));
      assert.deepEqual([error.code, error.message], [code, prefix + text]);
    });
  }

  it('leaves alone what is not of the registry', () => {
    const down = new CriError(Code.UNAVAILABLE, 'Docker Engine at tcp://x:1: connect: dial tcp');
    assert.equal(pullError(down), down);
  });
});
