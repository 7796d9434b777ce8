import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { Code, hasCode } from '../../../src/util/cri-error.js';
import { until } from '../../support/until.js';
import { CniSetup, givesAddress, detaching, podRequest } from './cni-setup.js';

const SOLO = { cniVersion: '1.0.0', name: 'solo', type: 'solo' };
const READY = { ready: true, reason: '', message: '' };

describe('the network condition', () => {
  let setup: CniSetup;

  beforeEach(async () => {
    setup = await CniSetup.make();
    await setup.installScript('solo', givesAddress('10.9.0.1/24'));
  });
  afterEach(() => setup.dispose());

  it('follows the configuration folder at once', async () => {
    const { confDir } = setup;
    const network = setup.network();
    const notReady = (message: string): object => ({
      ready: false,
      reason: 'NetworkPluginNotReady',
      message,
    });
    const empty = notReady(`cni config uninitialized: no network configuration in ${confDir}`);
    await rm(confDir, { recursive: true });
    await network.start();
    assert.deepEqual(await network.condition(), empty);
    await mkdir(confDir);
    assert.deepEqual(await network.condition(), empty);
    await setup.configure('10-solo.conf', SOLO);
    assert.deepEqual(await network.condition(), READY);
    assert.equal(network.describe()['network'], 'solo');
    await setup.configure('10-solo.conf', { ...SOLO, name: undefined });
    const broken = `cni config uninitialized: no usable network configuration in ${confDir}: ${confDir}/10-solo.conf: name: missing`;
    assert.deepEqual(await network.condition(), notReady(broken));
    await rm(confDir, { recursive: true });
    assert.deepEqual(await network.condition(), empty);
    await mkdir(confDir);
    await setup.configure('20-solo.conf', SOLO);
    assert.deepEqual(await network.condition(), READY);
    await network.stop();
  });

  it('names a plugin that is not installed', async () => {
    await setup.configure('10-solo.conf', { ...SOLO, type: 'absent' });
    const { ready, message } = await setup.network().condition();
    assert.equal(ready, false);
    assert.match(message, /10-solo\.conf: plugin absent is not installed in/);
  });

  it('is logged when it changes, and then only', async () => {
    const network = setup.network();
    await setup.configure('05-broken.conf', '{');
    await setup.configure('10-solo.conf', SOLO);
    await network.start();
    await network.condition();
    await network.condition();
    assert.deepEqual(
      setup.logged.map(({ level, fields }) => [level, fields['path']]),
      [
        ['warn', join(setup.confDir, '05-broken.conf')],
        ['info', join(setup.confDir, '10-solo.conf')],
      ],
    );
  });

  it('is what the plugins say where the version has STATUS, asked not too often', async () => {
    const full = 'echo \'{"code":50,"msg":"out of addresses"}\'; exit 1';
    await setup.installScript('solo', `[ "$CNI_COMMAND" != STATUS ] || { ${full}; }`);
    await setup.configure('10-solo.conf', { ...SOLO, cniVersion: '1.1.0' });
    const network = setup.network();
    const conditions = await Promise.all([network.condition(), network.condition(), network.condition()]);
    for (const { ready, message } of conditions) {
      assert.equal(ready, false);
      assert.equal(message, 'CNI plugin solo, STATUS: out of addresses (CNI code 50)');
    }
    assert.deepEqual(await setup.commands(), ['STATUS solo']);
    await setup.configure('10-solo.conf', { ...SOLO, cniVersion: '1.0.0' });
    assert.deepEqual(await network.condition(), READY);
  });

  it('keeps pods from being attached when there is no configuration', async () => {
    await assert.rejects(
      setup.network().setUp(podRequest('a')),
      (error) => hasCode(error, Code.UNAVAILABLE) && error.message.startsWith('cni config uninitialized'),
    );
  });
});

describe('garbage collection', () => {
  const [kept, gone] = [podRequest('a'), podRequest('b')];
  let setup: CniSetup;

  beforeEach(async () => {
    setup = await CniSetup.make();
    await setup.installScript('solo', givesAddress('10.9.0.1/24'));
    await setup.configure('10-solo.conf', { ...SOLO, cniVersion: '1.1.0' });
  });
  afterEach(() => setup.dispose());

  const onlyKept = (): Promise<Set<string>> => Promise.resolve(new Set([kept.sandboxId]));

  it('detaches what belongs to no sandbox, then tells the plugins what is valid', async () => {
    const network = setup.network();
    await network.setUp(kept);
    await network.setUp(gone);
    await setup.forgetCalls();
    await network.gc(onlyKept);
    const [del, gc, ...more] = await setup.calls();
    assert.deepEqual([del?.command, del?.containerId, del?.netns], ['DEL', gone.sandboxId, '']);
    const valid = [{ containerID: kept.sandboxId, ifname: 'eth0' }];
    assert.equal(gc?.command, 'GC');
    assert.deepEqual(gc.input['cni.dev/valid-attachments'], valid);
    assert.deepEqual(gc.input['cni.dev/attachments'], valid);
    assert.deepEqual(more, []);
    assert.deepEqual(await setup.records(), [`solo-${kept.sandboxId}-eth0`]);
  });

  it('spares a sandbox that is attached after the records were listed', async () => {
    const network = setup.network();
    await network.gc(async () => {
      await network.setUp(gone);
      return new Set();
    });
    assert.deepEqual(await setup.records(), [`solo-${gone.sandboxId}-eth0`]);
    const gc = (await setup.calls()).at(-1);
    assert.deepEqual(gc?.input['cni.dev/attachments'], [{ containerID: gone.sandboxId, ifname: 'eth0' }]);
  });

  it('detaches nothing when the sandboxes are not known', async () => {
    const network = setup.network();
    await network.setUp(gone);
    await setup.forgetCalls();
    await assert.rejects(
      network.gc(() => Promise.reject(new Error('no Engine'))),
      /no Engine/,
    );
    assert.deepEqual(await setup.calls(), []);
  });

  it('does not run the plugins’ own where the configuration forbids it', async () => {
    await setup.configure('10-solo.conflist', {
      cniVersion: '1.1.0',
      name: 'solo',
      disableGC: true,
      plugins: [{ type: 'solo' }],
    });
    await rm(join(setup.confDir, '10-solo.conf'));
    const network = setup.network();
    await network.setUp(gone);
    await setup.forgetCalls();
    await network.gc(onlyKept);
    assert.deepEqual(await setup.commands(), ['DEL solo']);
  });

  it('that hangs is ended soon, told, and not tried again at once', async () => {
    await setup.installScript('solo', 'if [ "$CNI_COMMAND" = GC ]; then exec sleep 300; fi');
    const network = setup.network({ gcTimeoutMs: 6_000 });
    await network.gc(onlyKept);
    await network.gc(onlyKept);
    assert.deepEqual(await setup.commands(), ['GC solo']);
    const warnings = setup.logged.filter(({ level }) => level === 'warn');
    assert.equal(warnings.length, 1);
    assert.match(String(warnings[0]?.fields['error']), /CNI plugin solo, GC: GC did not finish within 6 s/);
    assert.equal(warnings[0]?.fields['nextTryInS'], 600);
  });

  it('that hangs keeps no pod from its network', async () => {
    const hang = `echo $$ > ${setup.root}/pid; exec sleep 300`;
    await setup.installScript(
      'solo',
      `if [ "$CNI_COMMAND" = GC ]; then ${hang}; fi; ${givesAddress('10.9.0.1/24')}`,
    );
    const network = setup.network({ gcTimeoutMs: 240_000 });
    const collecting = network.gc(onlyKept);
    await until('GC to run', () => existsSync(join(setup.root, 'pid')));
    await network.setUp(kept);
    await collecting;
    assert.deepEqual(await setup.commands(), ['GC solo', 'ADD solo']);
    assert.match(String(setup.logged.at(-1)?.fields['error']), /gave way to a pod/);
  });

  it('ends with the server', async () => {
    const hang = `sleep 300 & echo $! > ${setup.root}/pid; wait`;
    await setup.installScript('solo', `if [ "$CNI_COMMAND" = GC ]; then ${hang}; fi`);
    const network = setup.network({ gcTimeoutMs: 240_000 });
    const collecting = network.gc(onlyKept);
    const pidFile = join(setup.root, 'pid');
    await until('GC to run', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '');
    await network.stop();
    await collecting;
    const pid = Number(readFileSync(pidFile, 'utf8'));
    await until(
      'its processes to be dead',
      () => !existsSync(`/proc/${pid}`) || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')),
    );
    await assert.rejects(network.setUp(kept), /cridock is stopping/);
  });

  it('forgets sandboxes that were detached and are gone', async () => {
    const network = setup.network();
    for (const pod of [kept, gone]) {
      await network.setUp(pod);
      await network.tearDown(detaching(pod));
    }
    await network.gc(onlyKept);
    assert.deepEqual(await readdir(join(setup.cacheDir, 'detached')), [kept.sandboxId]);
  });

  it('goes on when a plugin fails, and tells', async () => {
    const network = setup.network();
    await network.setUp(gone);
    await setup.installScript('solo', 'exit 1');
    await network.gc(onlyKept);
    assert.deepEqual(await setup.records(), [`solo-${gone.sandboxId}-eth0`]);
    assert.equal(setup.logged.filter(({ level }) => level === 'warn').length, 2);
    assert.match(
      await readFile(join(setup.cacheDir, 'results', `solo-${gone.sandboxId}-eth0`), 'utf8'),
      /"result"/,
    );
  });
});
