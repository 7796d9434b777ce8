import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parseBindAddress,
  parseBoolean,
  parseCidr,
  parseCollector,
  parseDockerEndpoint,
  parseDurationMs,
  parsePerMillion,
} from '../../../src/cli/values.js';

describe('parseDurationMs', () => {
  const durations: [string, number][] = [
    ['0', 0],
    ['0s', 0],
    ['1m0s', 60_000],
    ['1h2m3s', 3_723_000],
    ['1.5h', 5_400_000],
    ['300ms', 300],
    ['.5s', 500],
    ['+2s', 2000],
    ['1µs', 0.001],
    ['100us', 0.1],
  ];
  for (const [text, durationMs] of durations) {
    it(`reads ${text}`, () => assert.equal(parseDurationMs(text), durationMs));
  }
  for (const text of ['', '5', '1 m', 'm', '-1s', '1d', '1m2', 'Infinity', '1e3s', '.s', '10000h']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseDurationMs(text)));
  }
});

describe('parseBoolean', () => {
  it("takes the forms of Go's flags", () => {
    for (const text of ['1', 't', 'T', 'true', 'TRUE', 'True']) assert.equal(parseBoolean(text), true);
    for (const text of ['0', 'f', 'F', 'false', 'FALSE', 'False']) assert.equal(parseBoolean(text), false);
    for (const text of ['', 'yes', 'tRUE', ' true']) assert.throws(() => parseBoolean(text));
  });
});

describe('parseCidr', () => {
  it('takes networks of both families', () => {
    for (const text of ['10.244.0.0/24', '0.0.0.0/0', 'fd00:10::/64', '::/128'])
      assert.equal(parseCidr(text), text);
    for (const text of [
      '',
      '10.0.0.0',
      '10.0.0.0/33',
      '10.0.0/8',
      '10.0.0.0/8/8',
      '10.0.0.0/-1',
      '::/129',
      'a/8',
    ]) {
      assert.throws(() => parseCidr(text), text);
    }
  });
});

describe('parseBindAddress', () => {
  it('takes an address with and without port', () => {
    assert.deepEqual(parseBindAddress('0.0.0.0'), { host: '0.0.0.0', port: 0 });
    assert.deepEqual(parseBindAddress('127.0.0.1:10010'), { host: '127.0.0.1', port: 10010 });
    assert.deepEqual(parseBindAddress('::1'), { host: '::1', port: 0 });
    assert.deepEqual(parseBindAddress('[::1]:10010'), { host: '::1', port: 10010 });
    for (const text of ['localhost:1', ':1', '127.0.0.1:', '127.0.0.1:65536', '[127.0.0.1]:1', 'x']) {
      assert.throws(() => parseBindAddress(text), text);
    }
  });
});

describe('parseCollector', () => {
  it('takes an address as the kubelet does, and a URL that says whether there is TLS', () => {
    assert.equal(parseCollector('127.0.0.1:4317'), 'http://127.0.0.1:4317');
    assert.equal(parseCollector('[::1]:4317'), 'http://[::1]:4317');
    assert.equal(parseCollector('https://collector.example:4317'), 'https://collector.example:4317');
    for (const text of ['collector', 'ftp://x:1', 'x:65536', 'http://x:1/v1/traces', 'user@x:1']) {
      assert.throws(() => parseCollector(text), text);
    }
  });
});

describe('parsePerMillion', () => {
  it('takes whole numbers up to a million', () => {
    assert.deepEqual([parsePerMillion('0'), parsePerMillion('1000000')], [0, 1_000_000]);
    for (const text of ['', '-1', '0.5', '1000001', 'all']) assert.throws(() => parsePerMillion(text), text);
  });
});

describe('parseDockerEndpoint', () => {
  it('takes unix, tcp and nothing', () => {
    for (const text of ['', 'unix:///var/run/docker.sock', 'tcp://[::1]:2375', 'tcp://docker.local:2375']) {
      assert.equal(parseDockerEndpoint(text), text);
    }
    for (const text of [
      '/var/run/docker.sock',
      'unix://docker.sock',
      'tcp://x',
      'npipe:////./pipe/x',
      'tcp://u:p@x:1',
    ]) {
      assert.throws(() => parseDockerEndpoint(text), text);
    }
  });
});
