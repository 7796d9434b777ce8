import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPathStat } from '../../../src/docker/archive.js';

const headers = (stat: object) => ({
  'x-docker-container-path-stat': Buffer.from(JSON.stringify(stat)).toString('base64'),
});

describe('readPathStat', () => {
  it('tells where a link leads', () => {
    const link = { name: 'passwd', size: 11, mode: 134218239, mtime: '', linkTarget: '/run/passwd' };
    assert.equal(readPathStat(headers(link)).linkTarget, '/run/passwd');
  });

  it('tells no target of what is no link, though Podman has the path itself there', () => {
    const file = { name: 'passwd', size: 11, mode: 420, mtime: '', linkTarget: '/etc/passwd' };
    assert.equal(readPathStat(headers(file)).linkTarget, '');
  });

  it('throws INTERNAL without a usable header', () => {
    assert.throws(() => readPathStat({}), { code: 13 });
  });
});
