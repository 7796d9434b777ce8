import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import type { Attachment } from '../../../../src/network/cni/attachment.js';
import { AttachmentCache } from '../../../../src/network/cni/cache.js';
import { parseNetworkList } from '../../../../src/network/cni/network-config.js';
import { Code, hasCode } from '../../../../src/util/cri-error.js';
import { silentLogger } from '../../../../src/util/log.js';

const ID = 'ab'.repeat(32);
const OTHER_ID = 'cd'.repeat(32);
const CONFIG = '{"cniVersion":"1.0.0","name":"k8s-net","plugins":[{"type":"bridge"}]}';

const PENDING: Attachment = {
  network: parseNetworkList(CONFIG),
  containerId: ID,
  ifName: 'eth0',
  netnsPath: '/proc/7/ns/net',
  cniArgs: [['IgnoreUnknown', '1']],
  capabilityArgs: { portMappings: [{ hostPort: 1 }] },
  result: undefined,
};
const COMPLETE: Attachment = {
  ...PENDING,
  result: { cniVersion: '1.0.0', ips: [{ address: '10.0.0.2/8' }] },
};

describe('AttachmentCache', () => {
  let cacheDir = '';
  let results = '';
  let cache: AttachmentCache;
  let warnings: unknown[] = [];

  beforeEach(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'cni-cache-'));
    results = join(cacheDir, 'results');
    warnings = [];
    cache = newCache();
  });
  const newCache = (): AttachmentCache =>
    new AttachmentCache(cacheDir, { ...silentLogger, warn: (_, fields) => warnings.push(fields) });
  afterEach(() => rm(cacheDir, { recursive: true }));

  it('writes what libcni writes', async () => {
    await cache.write(COMPLETE);
    const path = join(results, `k8s-net-${ID}-eth0`);
    assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), {
      kind: 'cniCacheV1',
      containerId: ID,
      config: Buffer.from(CONFIG).toString('base64'),
      ifName: 'eth0',
      networkName: 'k8s-net',
      netns: '/proc/7/ns/net',
      cniArgs: [['IgnoreUnknown', '1']],
      capabilityArgs: { portMappings: [{ hostPort: 1 }] },
      result: { cniVersion: '1.0.0', ips: [{ address: '10.0.0.2/8' }] },
    });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(results), [`k8s-net-${ID}-eth0`]);
  });

  it('finds again what it wrote, with a result and without', async () => {
    assert.deepEqual(await cache.find(ID), []);
    await cache.write(PENDING);
    assert.deepEqual(await cache.find(ID), [PENDING]);
    await cache.write(COMPLETE);
    assert.deepEqual(await cache.find(ID), [COMPLETE]);
    assert.deepEqual(await cache.find(OTHER_ID), []);
    await cache.setDetached(COMPLETE);
    await cache.setDetached(COMPLETE);
    assert.deepEqual(await cache.find(ID), []);
  });

  it('finds attachments to networks of other names, but not to cri-dockerd’s loopback', async () => {
    const network = parseNetworkList(CONFIG.replace('k8s-net', 'older-net'));
    await cache.write({ ...COMPLETE, network });
    const loopback = { ...PENDING, network: parseNetworkList(CONFIG.replace('k8s-net', 'cni-loopback')) };
    await cache.write(loopback);
    assert.deepEqual(
      (await cache.find(ID)).map((attachment) => attachment.network.name),
      ['older-net'],
    );
    await cache.removeLoopback(ID);
    assert.deepEqual(await readdir(results), [`older-net-${ID}-eth0`]);
  });

  it('reads a record of libcni 1.1.2, which has no netns', async () => {
    await cache.write(COMPLETE);
    const path = join(results, `k8s-net-${ID}-eth0`);
    const record = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    delete record['netns'];
    await writeFile(path, JSON.stringify(record));
    assert.deepEqual(await newCache().find(ID), [{ ...COMPLETE, netnsPath: '' }]);
  });

  it('sets aside and reports what it cannot read', async () => {
    await cache.write(COMPLETE);
    const path = join(results, `k8s-net-${ID}-eth0`);
    for (const [n, text] of ['{"kind":"cniCa', '{"kind":"other"}', ''].entries()) {
      await writeFile(path, text);
      assert.deepEqual(await newCache().find(ID), []);
      assert.equal(await readFile(`${path}.corrupt-${n + 1}`, 'utf8'), text);
    }
    assert.equal(warnings.length, 3);
    assert.equal((warnings[0] as { path: string }).path, path);
  });

  it('lists the sandboxes that are recorded', async () => {
    assert.deepEqual(await cache.sandboxIds(), new Set());
    await cache.write(PENDING);
    await cache.write({ ...COMPLETE, containerId: OTHER_ID });
    await writeFile(join(results, 'something else'), '');
    assert.deepEqual(await cache.sandboxIds(), new Set([ID, OTHER_ID]));
    assert.deepEqual(await newCache().sandboxIds(), new Set([ID, OTHER_ID]));
  });

  it('knows after a restart what it knew before', async () => {
    await cache.write(COMPLETE);
    await cache.write({ ...COMPLETE, containerId: OTHER_ID });
    await cache.setDetached({ ...COMPLETE, containerId: OTHER_ID });
    const restarted = newCache();
    for (const one of [cache, restarted]) {
      assert.deepEqual(await one.find(ID), [COMPLETE]);
      assert.deepEqual(await one.find(OTHER_ID), []);
      assert.deepEqual([await one.isDetached(ID), await one.isDetached(OTHER_ID)], [false, true]);
    }
    await restarted.forget(OTHER_ID);
    assert.equal(await restarted.isDetached(OTHER_ID), false);
    assert.deepEqual(await newCache().detachedIds(), []);
  });

  it('asks the disk again when the folders could not be listed', async () => {
    await writeFile(results, '');
    await assert.rejects(cache.find(ID), (error) => hasCode(error, Code.UNKNOWN));
    await rm(results);
    assert.deepEqual(await cache.find(ID), []);
  });

  it('does not take half-written files for records and removes them', async () => {
    await cache.write(COMPLETE);
    await writeFile(join(results, `.tmp-k8s-net-${ID}-eth0`), '{');
    assert.deepEqual(await cache.find(ID), [COMPLETE]);
    await cache.removeTemporary();
    assert.deepEqual(await readdir(results), [`k8s-net-${ID}-eth0`]);
  });

  it('names the path when it cannot write', async () => {
    await cache.find(ID);
    await writeFile(results, '');
    await assert.rejects(
      cache.write(PENDING),
      (error) => hasCode(error, Code.UNKNOWN) && error.message.includes(join(results, `k8s-net-${ID}-eth0`)),
    );
  });
});
