import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scrubJson, scrubText } from '../../../src/sysdump/scrub.js';

const PLANTED = 'pl4nted-s3cret';

describe('scrubText', () => {
  for (const text of [
    `Environment=TOKEN=${PLANTED} "OTHER=${PLANTED} ${PLANTED}"`,
    `proxy http://user:${PLANTED}@proxy:3128/`,
    `Authorization: Bearer ${PLANTED}`,
    `authorization: Basic ${PLANTED}=`,
    `--password=${PLANTED} --x`,
    `--registry-token ${PLANTED}`,
    `db_password: "${PLANTED}"`,
    `{"apiKey":"${PLANTED}"}`,
    `msg="x" registryPassword=${PLANTED}`,
    `-----BEGIN RSA PRIVATE KEY-----\n${PLANTED}\n-----END RSA PRIVATE KEY-----`,
    `eyJhbGciOi.eyJ${PLANTED}.${PLANTED}`,
  ]) {
    it(`takes it out of ${text.slice(0, 40)}`, () => {
      assert.doesNotMatch(scrubText(text), /pl4nted/);
    });
  }

  it('leaves the rest', () => {
    for (const text of [
      'Environment=',
      'level=info msg="the token is a word" pod=a',
      '--pod-infra-container-image-auth=/root/.docker/config.json',
      'time="2026-11-29T10:00:00Z" level=error msg="RunPodSandbox failed" error="no such image"',
      'https://registry.k8s.io/v2/',
    ]) {
      assert.equal(scrubText(text), text);
    }
  });
});

describe('scrubJson', () => {
  it('keeps the names of variables, and takes out what is secret by name or by look', () => {
    const dumped = JSON.stringify(
      scrubJson({
        Config: { Env: [`DB=${PLANTED}`, 'PATH=/bin'], Cmd: ['serve', `--password=${PLANTED}`] },
        Labels: { 'app.secret': PLANTED, app: 'web' },
        nested: [{ authToken: PLANTED, url: `https://u:${PLANTED}@host/` }],
      }),
    );
    assert.doesNotMatch(dumped, /pl4nted/);
    assert.match(dumped, /"DB"/);
    assert.match(dumped, /"app":"web"/);
    assert.match(dumped, /serve/);
  });
});
