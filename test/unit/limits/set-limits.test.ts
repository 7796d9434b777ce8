import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setNodeLimits } from '../../../src/limits/set-limits.js';
import { Code, hasCode } from '../../../src/util/cri-error.js';

const ID = 'c'.repeat(64);
const PID = 4242;

/** Files as the kernel shows them on a node with cgroup v2 alone and the systemd driver. */
describe('setNodeLimits on cgroup v2', () => {
  let root: string;
  let cgroup: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'cgroup-v2-'));
    cgroup = join(root, `cgroup/kubepods.slice/docker-${ID}.scope`);
    await mkdir(join(cgroup, 'init.scope'), { recursive: true });
    for (const name of ['self', String(PID), '4243'])
      await mkdir(join(root, 'proc', name), { recursive: true });
    await writeFile(join(root, `proc/${PID}/cgroup`), `0::/kubepods.slice/docker-${ID}.scope/init.scope\n`);
    await writeFile(
      join(root, 'proc/self/mountinfo'),
      `35 24 0:30 / ${join(root, 'cgroup')} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n`,
    );
    await writeFile(join(cgroup, 'cgroup.procs'), `${PID}\n4243\n`);
    for (const pid of [PID, 4243]) await writeFile(join(root, `proc/${pid}/oom_score_adj`), '0');
    await writeFile(join(root, `proc/${PID}/stat`), `${PID} (a) b) S 1 1 1 0 -1`);
    for (const file of ['memory.oom.group', 'memory.swap.max', 'hugetlb.2MB.max'])
      await writeFile(join(cgroup, file), '');
  });
  after(async () => {
    await rm(root, { recursive: true });
  });
  const set = (
    cgroupWrites: [file: string, value: string, required: boolean][],
    oomScoreAdj?: number,
    id = ID,
  ) =>
    setNodeLimits(
      { id, pid: PID },
      { cgroup: cgroupWrites.map(([file, value, required]) => ({ file, value, required })), oomScoreAdj },
      2,
      { proc: join(root, 'proc') },
    );
  const content = (file: string) => readFile(join(cgroup, file), 'utf8');

  it("writes into the container's own cgroup, also when its process has moved below it", async () => {
    await set([
      ['memory.oom.group', '1', true],
      ['memory.swap.max', '1048576', true],
      ['hugetlb.2MB.max', '0', false],
    ]);
    assert.equal(await content('memory.oom.group'), '1');
    assert.equal(await content('memory.swap.max'), '1048576');
    assert.equal(await content('hugetlb.2MB.max'), '0');
  });

  it('passes over a file that is not required, and makes none', async () => {
    await set([['hugetlb.1GB.max', '0', false]]);
    await assert.rejects(content('hugetlb.1GB.max'));
    await assert.rejects(
      set([['hugetlb.1GB.max', '1', true]]),
      (error: unknown) =>
        hasCode(error, Code.FAILED_PRECONDITION) && error.message.includes('hugetlb.1GB.max'),
    );
  });

  it('sets oom_score_adj of all processes that inherited theirs', async () => {
    await set([], 500);
    for (const pid of [PID, 4243]) {
      assert.equal(await readFile(join(root, `proc/${pid}/oom_score_adj`), 'utf8'), '500');
    }
  });

  it('says so when the cgroup is gone under a process that lives', async () => {
    const procs = join(cgroup, 'cgroup.procs');
    await rename(procs, `${procs}.gone`);
    await assert.rejects(set([], 100), {
      code: Code.FAILED_PRECONDITION,
      message: /cannot set oom_score_adj/,
    });
    await rename(`${procs}.gone`, procs);
  });

  it('has nothing to set once the process has ended, whatever is still there of it', async () => {
    const process = join(root, `proc/${PID}`);
    const [stat, membership] = [join(process, 'stat'), join(process, 'cgroup')];
    const [alive, own] = await Promise.all([stat, membership].map((path) => readFile(path, 'utf8')));
    const writes: [string, string, boolean][] = [
      ['memory.oom.group', '1', true],
      ['memory.of.gone', '1', true],
    ];
    await assert.rejects(set(writes, 100));
    await writeFile(stat, `${PID} (a) b) R 1 1 1 0 -1 4194560 0`); // as any process that runs
    await assert.rejects(set(writes, 100));
    await writeFile(stat, `${PID} (a) b) R 1 1 1 0 -1 4228 0`); // on its way out, and in no cgroup of version 1
    await set(writes, 100);
    await writeFile(stat, `${PID} (a) b) Z 1 1 1 0 -1`); // not waited for yet
    await set(writes, 100);
    await writeFile(membership, '0::/\n'); // as the kernel tells of a zombie
    await set(writes, 100);
    await rename(process, `${process}.gone`);
    await set(writes, 100);
    await rename(`${process}.gone`, process);
    await writeFile(stat, alive ?? '');
    await writeFile(membership, own ?? '');
  });

  it('touches nothing when the pid belongs to another container now', async () => {
    await assert.rejects(set([['memory.oom.group', '0', true]], undefined, 'd'.repeat(64)));
    assert.equal(await content('memory.oom.group'), '1');
  });
});
