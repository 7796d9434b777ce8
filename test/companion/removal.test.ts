import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { allInTurn } from '../support/all-in-turn.js';
import { CompanionNode, noCompanion } from '../support/companion-node.js';
import { testDockerEndpoint } from '../support/cridock-process.js';
import { sourceFile } from '../support/own-engine.js';

const BUNDLES = 'io.containerd.runtime.v2.task';
/** Where containerd has its bundles on nodes; in this mount namespace the folder is the test's. */
const STATE = '/run/containerd';

describe('a package that is removed while containers run by the companion', { skip: noCompanion }, () => {
  let companion: CompanionNode;
  let prefix: string;
  before(async () => {
    companion = await CompanionNode.start();
    prefix = mkdtempSync(join(tmpdir(), 'removal-'));
    const engine = join(dirname(testDockerEndpoint.replace('unix://', '')), 'exec/containerd');
    const state =
      [join(engine, 'daemon'), engine].find((folder) => existsSync(join(folder, BUNDLES))) ?? engine;
    symlinkSync(join(state, BUNDLES), join(STATE, BUNDLES));
  });
  after(async () => {
    await allInTurn(
      () => companion.node.close(),
      () => rmSync(join(STATE, BUNDLES)),
      () => rmSync(prefix, { recursive: true }),
    );
  });

  /** What the scripts of all packages do, and the removal of the files between them. */
  function remove(): void {
    const libexec = join(prefix, 'libexec/cridock/oci');
    mkdirSync(libexec, { recursive: true });
    mkdirSync(join(prefix, 'bin'), { recursive: true });
    copyFileSync(sourceFile('../dist/libexec/oci/runc'), join(libexec, 'runc'));
    const script = `set -eu; own=${prefix}/bin/cridock; . ${sourceFile('../deploy/package/scripts/service.sh')}
      keep_companion; rm -r ${prefix}/libexec; leave_companion`;
    execFileSync('sh', ['-c', script], { stdio: ['ignore', 'inherit', 'ignore'] });
  }
  const shim = () => join(prefix, 'bin/containerd-shim-cridock-v2');

  it('leaves nothing where none does', async () => {
    await companion.node.start(await companion.node.pod());
    remove();
    assert.ok(!existsSync(join(prefix, 'libexec')));
    assert.ok(!existsSync(shim()));
  });

  it('leaves their runtime, which ends and removes them, and starts nothing', async () => {
    const security = { capabilities: { add_ambient_capabilities: ['CHOWN'] } };
    await companion.node.start(await companion.node.pod(), { security });
    remove();
    assert.equal(readlinkSync(shim()), '../libexec/cridock/oci/runc');
    const left = execFileSync(shim(), ['cridock-probe', '/none', prefix], { encoding: 'utf8' });
    assert.match(left, /^cridock-companion 1\n/);
    const create = () =>
      execFileSync(join(prefix, 'libexec/cridock/oci/runc'), ['create', '--bundle', prefix, 'x'], {
        stdio: 'pipe',
      });
    assert.throws(create, /config.json cannot be read/);
  });
});
