import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  abortError,
  isRefusedVersion,
  isRemovalInProgress,
  isResetConnection,
  responseError,
  transportError,
} from '../../../src/docker/errors.js';
import { Code, CriError } from '../../../src/util/cri-error.js';

const taken =
  'Conflict. The container name "/a" is already in use by container "b". You have to remove (or rename) that container to be able to reuse that name.';

describe('Engine errors', () => {
  const answers: [number, string, Code][] = [
    [400, 'invalid reference format', Code.INVALID_ARGUMENT],
    [401, 'unauthorized', Code.UNAUTHENTICATED],
    [403, 'authorization denied by plugin', Code.PERMISSION_DENIED],
    [404, 'No such container: x', Code.NOT_FOUND],
    [409, taken, Code.ALREADY_EXISTS],
    [409, 'Container x is not running', Code.FAILED_PRECONDITION],
    [500, 'OCI runtime create failed', Code.UNKNOWN],
    [501, 'configured logging driver does not support reading', Code.UNIMPLEMENTED],
    [503, 'shutting down', Code.UNAVAILABLE],
    [500, 'unrecognized image ID sha256:00', Code.NOT_FOUND],
    [418, 'teapot', Code.UNKNOWN],
  ];
  for (const [status, message, code] of answers) {
    it(`HTTP ${status} "${message.slice(0, 30)}" is code ${code}`, () => {
      const error = responseError(status, JSON.stringify({ message }));
      assert.deepEqual([error.code, error.message], [code, message]);
    });
  }

  it('reads plain text, and names the status where there is none', () => {
    assert.equal(
      responseError(400, 'client version 1.1 is too old.\n').message,
      'client version 1.1 is too old.',
    );
    assert.equal(responseError(500, '').message, 'Docker Engine answered HTTP 500');
    assert.equal(responseError(500, 'null').message, 'null');
  });

  it('leaves the queries of URLs out: they may be signed', () => {
    const text = 'Get "https://cdn.example/blob?X-Amz-Signature=secret&x=y": dial tcp: connection refused';
    assert.equal(
      responseError(500, text).message,
      'Get "https://cdn.example/blob": dial tcp: connection refused',
    );
  });

  it('tells an abort by its reason', () => {
    const reason = new CriError(Code.ABORTED, 'because');
    assert.equal(abortError(reason), reason);
    assert.equal(abortError(new DOMException('t', 'TimeoutError')).code, Code.DEADLINE_EXCEEDED);
    assert.equal(abortError(new DOMException('a', 'AbortError')).code, Code.CANCELLED);
    assert.equal(abortError(undefined).code, Code.CANCELLED);
  });

  it('takes a lost connection for an abort only if there was one', () => {
    const lost = Object.assign(new Error('connect ENOENT /run/d.sock'), { code: 'ENOENT' });
    const error = transportError(lost, 'unix:///run/d.sock', new AbortController().signal);
    assert.equal(error.code, Code.UNAVAILABLE);
    assert.equal(error.message, 'Docker Engine at unix:///run/d.sock: connect ENOENT /run/d.sock');
    assert.equal(transportError(lost, 'x', AbortSignal.abort()).code, Code.CANCELLED);
  });

  it('has words for a lost connection where Node has none', () => {
    const several = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
    assert.equal(transportError(several, 'tcp://h:1').message, 'Docker Engine at tcp://h:1: ECONNREFUSED');
    const within = transportError(new Error('aborted'), 'tcp://h:1').message;
    assert.equal(within, 'Docker Engine at tcp://h:1: the connection broke within an answer');
  });

  it('knows what may be repeated', () => {
    const caused = (code: string) => transportError(Object.assign(new Error(code), { code }), 'x');
    assert.ok(isResetConnection(caused('EPIPE')));
    assert.ok(isResetConnection(caused('ECONNRESET')));
    assert.ok(!isResetConnection(caused('ECONNREFUSED')));
    assert.ok(!isResetConnection(responseError(500, 'ECONNRESET')));
    const maximum = 'client version 1.55 is too new. Maximum supported API version is 1.41';
    assert.ok(isRefusedVersion(responseError(400, JSON.stringify({ message: maximum }))));
    assert.ok(!isRefusedVersion(responseError(400, 'bad parameter')));
  });

  it('knows a removal that is under way', () => {
    assert.ok(isRemovalInProgress(responseError(409, 'removal of container abc is already in progress')));
    assert.ok(!isRemovalInProgress(responseError(409, 'You cannot remove a running container abc')));
  });
});
