import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { needsSetting } from '../../../src/limits/huge-page-limits.js';

describe('needsSetting', () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'hugepages-'));
    for (const kilobytes of [64, 2048, 1_048_576]) {
      mkdirSync(join(root, `sizes/hugepages-${kilobytes}kB`), { recursive: true });
    }
    writeFileSync(join(root, 'cgroup.controllers'), 'cpu hugetlb pids\n');
  });
  after(() => rmSync(root, { recursive: true }));

  const needs = (mount: string, files: string[], required = false, oomScoreAdj?: number) => {
    const mountinfo = join(root, 'mountinfo');
    writeFileSync(mountinfo, mount === '' ? '' : `35 24 0:30 / ${root} rw - ${mount}\n`);
    const cgroup = files.map((file) => ({ file, value: '0', required }));
    return needsSetting({ cgroup, oomScoreAdj }, { mountinfo, sizes: join(root, 'sizes') });
  };
  const V2 = 'cgroup2 cgroup2 rw';

  it('a limit of zero for a page size that the kernel has and limits', async () => {
    assert.equal(await needs(V2, ['hugetlb.2MB.max']), true);
    assert.equal(await needs(V2, ['hugetlb.512MB.max', 'hugetlb.64KB.max']), true);
    assert.equal(await needs('cgroup cgroup rw,hugetlb', ['hugetlb.1GB.limit_in_bytes']), true);
  });

  it('not for sizes that it does not have, and not where it limits none', async () => {
    assert.equal(await needs(V2, ['hugetlb.512MB.max']), false);
    assert.equal(await needs('cgroup cgroup rw,memory', ['hugetlb.2MB.limit_in_bytes']), false);
    assert.equal(await needs('', ['hugetlb.2MB.max']), false);
    assert.equal(await needs(V2, []), false);
  });

  it('whatever is required, for the kernel to judge', async () => {
    assert.equal(await needs('', ['hugetlb.512MB.max'], true), true);
    assert.equal(await needs('', [], false, 500), true);
  });
});
