import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { findBundle } from '../../../src/checkpoint/bundle.js';

const ID = 'a'.repeat(64);

/** A /proc with a container's process 7 below shim 5. */
function makeProc(t: TestContext, shim: { program?: string; folder?: string; options?: string }): string {
  const root = mkdtempSync(join(tmpdir(), 'cridock-bundle-'));
  t.after(() => rmSync(root, { recursive: true }));
  const { program = '/usr/bin/containerd-shim-runc-v2', folder = ID, options } = shim;
  const bundle = join(root, folder);
  for (const path of [bundle, join(root, '5'), join(root, '7')]) mkdirSync(path);
  writeFileSync(join(bundle, 'config.json'), '{}');
  if (options !== undefined) writeFileSync(join(bundle, 'options.json'), options);
  writeFileSync(join(root, '7/status'), 'Name:\tsh\nPPid:\t5\n');
  writeFileSync(join(root, '5/cmdline'), [program, '-namespace', 'moby', '-id', ID, ''].join('\0'));
  writeFileSync(join(root, '5/environ'), 'XPATH=/no\0PATH=/usr/bin:/bin\0HOME=/\0');
  symlinkSync(bundle, join(root, '5/cwd'));
  return root;
}

describe('findBundle', () => {
  it("finds the shim's folder, its runtime and where that keeps its states", async (t) => {
    const options = '{"binary_name":"crun","root":"/run/docker/runtime-runc","systemd_cgroup":true}';
    const proc = makeProc(t, { options });
    assert.deepEqual(await findBundle(ID, 7, proc), {
      folder: join(proc, ID),
      config: '{}',
      runtime: 'crun',
      path: '/usr/bin:/bin',
      stateRoot: '/run/docker/runtime-runc/moby',
      systemdCgroup: true,
    });
  });

  it("goes by the shim's defaults where the Engine names none", async (t) => {
    const { runtime, stateRoot, systemdCgroup } = await findBundle(ID, 7, makeProc(t, {}));
    assert.deepEqual([runtime, stateRoot, systemdCgroup], ['runc', '/run/containerd/runc/moby', false]);
  });

  it('takes no other process for the shim', async (t) => {
    const kata = makeProc(t, { program: '/usr/bin/containerd-shim-kata-v2' });
    await assert.rejects(findBundle(ID, 7, kata), /not run by containerd-shim-runc-v2/);
    const other = makeProc(t, { folder: 'b'.repeat(64) });
    await assert.rejects(findBundle(ID, 7, other), /not run by/);
  });
});
