import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { parseNetworkList, parseSinglePlugin } from '../../../../src/network/cni/network-config.js';

const PLUGINS = [{ type: 'bridge', capabilities: { portMappings: true, mac: false } }, { type: 'portmap' }];

function list(members: Record<string, unknown>): string {
  return JSON.stringify({ name: 'net', cniVersion: '1.0.0', plugins: PLUGINS, ...members });
}

describe('parseNetworkList', () => {
  it('reads a list', () => {
    const text = list({ disableCheck: true, disableGC: 'True' });
    assert.deepEqual(parseNetworkList(text), {
      name: 'net',
      cniVersion: '1.0.0',
      disableCheck: true,
      disableGc: true,
      plugins: [
        { type: 'bridge', capabilities: ['portMappings'], body: PLUGINS[0] },
        { type: 'portmap', capabilities: [], body: PLUGINS[1] },
      ],
      text,
    });
  });

  it('chooses the highest version that is offered and spoken', () => {
    const versionOf = (members: Record<string, unknown>): string =>
      parseNetworkList(list(members)).cniVersion;
    assert.equal(versionOf({ cniVersion: '0.3.1' }), '0.3.1');
    assert.equal(versionOf({ cniVersion: '0.3.1', cniVersions: ['1.1.0', '0.4.0'] }), '1.1.0');
    assert.equal(versionOf({ cniVersion: '2.0.0', cniVersions: ['1.0.0'] }), '1.0.0');
    assert.equal(versionOf({ cniVersion: undefined }), '0.1.0');
    assert.throws(() => versionOf({ cniVersion: '2.0.0' }), /no cniVersion of 2\.0\.0 is supported/);
  });

  const bad: [string, string, RegExp][] = [
    ['what is not JSON', '{', /JSON/],
    ['what is not an object', '[]', /not a JSON object/],
    ['a missing name', list({ name: undefined }), /name: missing/],
    ['a name that is a path', list({ name: '../x' }), /name: must begin/],
    ['a version that is no string', list({ cniVersion: 1 }), /cniVersion: not a string/],
    ['versions that are no list', list({ cniVersions: '1.0.0' }), /cniVersions: not a list/],
    ['no plugins', list({ plugins: [] }), /plugins: must list at least one/],
    ['a plugin that is no object', list({ plugins: ['bridge'] }), /plugins\[0\]: not an object/],
    ['a plugin without a type', list({ plugins: [{}] }), /plugins\[0\]\.type/],
    [
      'a plugin type that is a path',
      list({ plugins: [{ type: '/bin/sh' }] }),
      /plugins\[0\]\.type: .* not a path/,
    ],
    ['a flag that is none', list({ disableCheck: 'maybe' }), /disableCheck: neither/],
  ];
  for (const [what, text, problem] of bad) {
    it(`refuses ${what}`, () => assert.throws(() => parseNetworkList(text), problem));
  }
});

describe('parseSinglePlugin', () => {
  it('makes a list of one', () => {
    const body = { cniVersion: '0.3.1', name: 'solo', type: 'ptp', mtu: 1400 };
    const config = parseSinglePlugin(JSON.stringify(body));
    assert.equal(config.name, 'solo');
    assert.deepEqual(config.plugins, [{ type: 'ptp', capabilities: [], body }]);
    assert.deepEqual(parseNetworkList(config.text), config);
  });

  it('points at .conflist for a list in a .conf file', () => {
    assert.throws(() => parseSinglePlugin(list({})), /belongs in a \.conflist file/);
  });
});
