import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { MemoryKills } from '../../../src/node/memory-kills.js';

const [ONE, OTHER, POD] = ['1', '2', 'e'].map((digit) => digit.repeat(64)) as [string, string, string];

/** A record as the kernel writes it when a process is killed in this cgroup; 6 is the priority of its own records. */
const record = (cgroup: string, priority = 6): string =>
  `${priority},1711,574494162,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=docker-${OTHER}.scope,mems_allowed=0,` +
  `oom_memcg=/kubepods.slice,task_memcg=${cgroup},task=tail,pid=5846,uid=0\n SUBSYSTEM=memory\n`;

describe('MemoryKills', () => {
  let folder: string;
  let log: string;
  let kills: MemoryKills;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'cridock-kmsg-'));
    log = path.join(folder, 'kmsg');
    writeFileSync(log, '6,1,1,-;Linux version 6.12\n');
    kills = new MemoryKills(log);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('knows containers by their cgroups, of both drivers', async () => {
    appendFileSync(log, record(`/kubepods.slice/kubepods-pod1.slice/docker-${ONE}.scope`));
    appendFileSync(log, record(`/kubepods/burstable/pod1/${POD}/${OTHER}`));
    assert.deepEqual(await Promise.all([ONE, POD, OTHER].map((id) => kills.has(id))), [true, true, false]);
  });

  it('goes on where it has read to, and remembers', async () => {
    assert.equal(await kills.has(ONE), false);
    appendFileSync(log, record(`/a/${ONE}`));
    assert.equal(await kills.has(ONE), true);
    writeFileSync(log, '');
    assert.equal(await kills.has(ONE), true);
  });

  it('reads thousands of records', async () => {
    appendFileSync(log, '6,2,2,-;audit: something else\n'.repeat(20_000) + record(`/a/${ONE}`));
    assert.equal(await kills.has(ONE), true);
  });

  it('believes no record that a program has written', async () => {
    appendFileSync(log, record(`/a/${ONE}`, 12));
    appendFileSync(log, `12,3,3,-;x\n ${record(`/a/${ONE}`)}`);
    assert.equal(await kills.has(ONE), false);
  });

  it('says no where there is no log, and looks again', async () => {
    const late = new MemoryKills(path.join(folder, 'late'));
    assert.equal(await late.has(ONE), false);
    writeFileSync(path.join(folder, 'late'), record(`/a/${ONE}`));
    assert.equal(await late.has(ONE), true);
  });
});
