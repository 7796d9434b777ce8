import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';

import { DockerBridgeNetwork } from '../../../src/network/docker-bridge.js';
import type { PodNetwork } from '../../../src/network/network.js';
import { silentLogger } from '../../../src/util/log.js';
import { podRequest } from './cni-setup.js';

const SYSCTL_DIR = '/proc/sys/net/bridge';

describe('Docker’s bridge', () => {
  it('is always ready and keeps no record', async () => {
    const network: PodNetwork = new DockerBridgeNetwork(silentLogger);
    const pod = podRequest('a');
    assert.equal(network.sandboxNetworkMode, 'default');
    assert.deepEqual(await network.condition(), { ready: true, reason: '', message: '' });
    assert.deepEqual(await network.setUp(pod), { ips: [] });
    assert.equal(await network.recorded(pod.sandboxId), undefined);
  });

  const skip = process.getuid?.() !== 0 ? 'needs root' : !existsSync(SYSCTL_DIR) && 'needs br_netfilter';
  it('passes bridged packets through iptables', { skip }, async () => {
    const paths = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'].map(
      (name) => `${SYSCTL_DIR}/${name}`,
    );
    const before = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
    await new DockerBridgeNetwork(silentLogger).start();
    const after = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
    for (const [index, path] of paths.entries()) {
      const value = before[index] ?? '';
      if (value !== after[index]) await writeFile(path, value);
    }
    assert.deepEqual(after, ['1\n', '1\n']);
  });
});
