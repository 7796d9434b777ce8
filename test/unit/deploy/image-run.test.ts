import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

// Compiled, this file is <root>/<outDir>/test/unit/deploy/image-run.test.js.
const SCRIPT = join(import.meta.dirname, '../../../../deploy/image/run.sh');

describe('deploy/image/run.sh', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'cridock-image-'));
    // It prints the words of `docker run`; folders are not made here.
    const programs = {
      docker: `#!/bin/sh\nif [ "$1" = info ]; then echo /data/docker; else printf '%s\\n' "$@"; fi\n`,
      mkdir: '#!/bin/sh\n',
    };
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(join(directory, name), text);
      chmodSync(join(directory, name), 0o755);
    }
  });
  after(() => rmSync(directory, { recursive: true }));

  function volumes(...flags: string[]): string[] {
    const env = { ...process.env, PATH: `${directory}:${process.env['PATH'] ?? ''}`, DOCKER: 'docker' };
    const words = execFileSync(SCRIPT, flags, { env, encoding: 'utf8' }).trim().split('\n');
    assert.deepEqual(words.slice(words.length - flags.length), flags);
    return words.filter((word) => word.endsWith(':rslave')).map((word) => word.split(':')[0] ?? '');
  }

  it("shares the node's folders, the Engine's data root where it is, and settings", () => {
    const shared = volumes();
    for (const folder of ['/etc/cridock', '/var/lib/calico', '/data/docker', '/var/lib/kubelet', '/run']) {
      assert.ok(shared.includes(folder), folder);
    }
    assert.ok(!shared.includes('/var/lib/docker'));
  });

  it('shares the folders that flags name, each once', () => {
    const shared = volumes(
      '--cni-bin-dir=/a,/opt/cni/bin',
      '--cri-dockerd-root-directory',
      '/b',
      '--log-level',
      'debug',
    );
    assert.ok(shared.includes('/a') && shared.includes('/b'));
    assert.equal(new Set(shared).size, shared.length);
    assert.ok(!shared.includes('debug'));
  });
});
