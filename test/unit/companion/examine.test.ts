import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { examineCompanion, isPlainRunc } from '../../../src/companion/examine.js';
import { isCompanionRuntime } from '../../../src/convert/companion/runtime-names.js';
import { checkCompanion } from '../../../src/doctor/companion-checks.js';
import type { EngineInfo } from '../../../src/docker/types.js';
import { ENGINE_INFO } from '../../support/engine-info.js';

const INFO: EngineInfo = {
  ...ENGINE_INFO,
  Containerd: { Address: '/run/x.sock' },
};

describe('what the companion can do here', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'examine-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** A companion that says this when it is asked; `pid` stands for this process, whose PATH it is looked for on. */
  async function companion(says: string, name = 'runc'): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\nprintf '${says}'\n`);
    await chmod(path, 0o755);
    return path;
  }
  const found = (pid: number, idmap = 'ok') => `cridock-companion 1\\ncontainerd ${pid}\\nidmap ${idmap}\\n`;
  const examine = (path: string, info: Partial<EngineInfo> = {}, supports = true) =>
    examineCompanion({ ...INFO, ...info }, { companion: path, supports: () => supports });

  it('nothing where it is not installed, which is no fault', async () => {
    const { isAbsent, runtime, userNamespaces, missing } = await examine('/no/such/file');
    assert.deepEqual([isAbsent, runtime, userNamespaces], [true, undefined, false]);
    assert.match(missing, /not installed/);
    const { level, message } = await checkCompanion(INFO, () => true, '/no/such/file');
    assert.equal(level, 'ok');
    assert.match(message, /refused: the companion runtime is not installed/);
  });

  it('nothing where something is not as it has to be, with what', async () => {
    const missing = async (says: string, info: Partial<EngineInfo> = {}, supports = true) => {
      const abilities = await examine(await companion(says), info, supports);
      assert.equal(abilities.runtime, undefined);
      assert.equal(abilities.userNamespaces, false);
      return abilities.missing;
    };
    assert.match(await missing('cridock-companion 0'), /another version of cridock \(cridock-companion 0\)/);
    assert.match(await missing('x'), /another version/);
    assert.match(await missing(found(0)), /containerd is not found \(\/run\/x.sock: served in another PID/);
    assert.match(await missing('cridock-companion 1\\ncontainerd No such file\\n'), /x.sock: No such file/);
    assert.match(await missing(found(process.pid), {}, false), /older than 1.42, and no runtime "cridock"/);
    assert.match(await missing(found(process.pid)), /containerd-shim-cridock-v2 is not on containerd's PATH/);
    const registered = { Runtimes: { cridock: { path: '/bin/true' } } };
    assert.match(await missing(found(process.pid), registered), /\/bin\/true is of another version/);
  });

  it('all but user namespaces where only they lack something', async () => {
    const lacks = async (info: Partial<EngineInfo>, idmap?: string) => {
      const path = await companion(found(process.pid, idmap));
      const abilities = await examine(path, { ...info, Runtimes: { cridock: { path } } }, false);
      assert.deepEqual([abilities.runtime, abilities.userNamespaces], ['cridock', false]);
      return abilities.missing;
    };
    assert.match(await lacks({ SecurityOptions: ['name=userns'] }), /the Engine itself maps users/);
    assert.match(await lacks({ SecurityOptions: ['name=rootless'] }), /the Engine itself maps users/);
    assert.match(await lacks({ Driver: 'zfs' }), /storage driver is zfs, and not overlay2/);
    const store: Partial<EngineInfo> = { DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']] };
    assert.match(await lacks({ ...store, Driver: 'native' }), /native, and not overlayfs/);
    assert.match(
      await lacks({}, 'Invalid argument'),
      /owners of \/var\/lib\/docker cannot be mapped: Invalid/,
    );
  });

  it('stands in front of plain runc alone', () => {
    assert.ok(
      isPlainRunc(INFO, '') && isPlainRunc(INFO, 'runc') && isPlainRunc(INFO, 'io.containerd.runc.v2'),
    );
    assert.ok(!isPlainRunc({ ...INFO, DefaultRuntime: 'nvidia' }, '') && !isPlainRunc(INFO, 'crun'));
    assert.ok(isCompanionRuntime('io.containerd.cridock.v2') && isCompanionRuntime('cridock'));
    assert.ok(!isCompanionRuntime('runc') && !isCompanionRuntime(undefined));
  });
});
