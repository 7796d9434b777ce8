import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompanionAbilities } from '../../../../src/companion/examine.js';
import { readRuncFeatures } from '../../../../src/convert/companion/runc-features.js';
import { RuntimeHandlerList } from '../../../../src/cri/replies/runtime-handlers.js';
import type { EngineInfo } from '../../../../src/docker/types.js';
import { ENGINE_INFO } from '../../../support/engine-info.js';

const FEATURES = 'org.opencontainers.runtime-spec.features';

function infoOf(mountOptions: string[]): EngineInfo {
  return {
    ...ENGINE_INFO,
    Runtimes: {
      runc: { status: { [FEATURES]: JSON.stringify({ mountOptions }) } },
      runsc: { path: '/usr/bin/runsc' },
    },
  };
}

function companionOf(userNamespaces: boolean): CompanionAbilities {
  const features = readRuncFeatures('');
  return { runtime: 'x', missing: '', userNamespaces, mapsTmpfs: false, features, isAbsent: false };
}

describe('the runtime handlers of Status', () => {
  const told = { info: infoOf(['ro', 'rro']), tellsFeatures: true, companion: companionOf(true) };

  it('are the default one, and each of the Engine', () => {
    assert.deepEqual(new RuntimeHandlerList().of(told), [
      { name: '', features: { recursive_read_only_mounts: true, user_namespaces: true } },
      { name: 'runc', features: { recursive_read_only_mounts: true, user_namespaces: true } },
      { name: 'runsc', features: { recursive_read_only_mounts: false, user_namespaces: false } },
    ]);
  });

  it('are kept until something that they are made of is another', () => {
    const list = new RuntimeHandlerList();
    const first = list.of(told);
    assert.equal(list.of({ ...told }), first);
    const ofRunc = (sources: typeof told) => list.of(sources)[1]?.features;
    const without = { ...told, info: infoOf(['ro']) };
    assert.deepEqual(ofRunc(without), { recursive_read_only_mounts: false, user_namespaces: true });
    const silent = { ...told, tellsFeatures: false };
    assert.deepEqual(ofRunc(silent), { recursive_read_only_mounts: false, user_namespaces: true });
    assert.deepEqual(ofRunc(told), { recursive_read_only_mounts: true, user_namespaces: true });
    const unmapped = { ...told, companion: companionOf(false) };
    assert.deepEqual(ofRunc(unmapped), { recursive_read_only_mounts: true, user_namespaces: false });
  });
});
