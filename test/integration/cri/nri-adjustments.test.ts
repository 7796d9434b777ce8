import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import type { Container } from '../../../src/gen/nri/pkg/api/v1alpha1/Container.js';
import type { LinuxContainerAdjustment } from '../../../src/gen/nri/pkg/api/v1alpha1/LinuxContainerAdjustment.js';
import { noEngine } from '../../support/cridock-process.js';
import { decodeRequest, TestPlugin } from '../../support/nri-plugin.js';
import { TestNode, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

/** EDQUOT: no default profile answers a call with that. */
const QUOTA_EXCEEDED = 122;
const CGROUPS = '/sys/fs/cgroup';

describe('what NRI plugins adjust of a container, beyond limits', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  let hasCompanion: boolean;
  let plugin: TestPlugin | undefined;
  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
    hasCompanion = await node.hasCompanion();
  });
  afterEach(() => plugin?.close());
  after(() => node.close());

  /** A plugin that wants all new containers to have this. False, and the test is skipped, where none can. */
  async function adjusting(
    t: TestContext,
    linux: (id: string) => LinuxContainerAdjustment,
  ): Promise<boolean> {
    if (!hasCompanion) {
      t.skip('CRIDOCK_TEST_COMPANION=1 gives the Engine the companion');
      return false;
    }
    plugin = await TestPlugin.register(join(node.cridock.directory, 'nri.sock'), {
      base: randomUUID(),
      replies: { CreateContainer: (request) => ({ adjust: { linux: linux(idIn(request)) } }) },
    });
    await until('it is synchronised', () => plugin?.calls.includes('Synchronize') === true);
    return true;
  }

  const namespace = (pid: number, type: string): string => readlinkSync(`/proc/${pid}/ns/${type}`);

  it('its seccomp policy', async (t) => {
    const refused = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' };
    const isAdjusted = await adjusting(t, () => {
      const syscalls = [{ ...refused, errno_ret: { value: QUOTA_EXCEEDED } }];
      return { seccomp_policy: { default_action: 'SCMP_ACT_ALLOW', syscalls } };
    });
    if (!isAdjusted) return;
    const text = await node.output(pod, 'mkdir /tmp/new; grep ^Seccomp: /proc/self/status');
    assert.match(text, /quota exceeded/i);
    assert.match(text, /Seccomp:\s+2/);
  });

  it('its namespaces, new ones and those of others, and sysctls in them', async (t) => {
    const isAdjusted = await adjusting(t, () => {
      const namespaces = [{ type: 'ipc' }, { type: 'uts', path: `/proc/${pod.pid}/ns/uts` }];
      return { namespaces, sysctl: { 'kernel.msgmax': '12345' } };
    });
    if (!isAdjusted) return;
    const { pid } = await node.start(pod);
    assert.notEqual(namespace(pid, 'ipc'), namespace(pod.pid, 'ipc'));
    assert.notEqual(namespace(pid, 'ipc'), namespace(process.pid, 'ipc'));
    assert.equal(namespace(pid, 'uts'), namespace(pod.pid, 'uts'));
    assert.equal(namespace(pid, 'net'), namespace(pod.pid, 'net'));
    assert.equal((await node.output(pod, 'cat /proc/sys/kernel/msgmax')).trim(), '12345');
  });

  it('its cgroup', async (t) => {
    const folder = `cridock-nri-${randomUUID()}`;
    t.after(() => removeCgroup(folder));
    if (!(await adjusting(t, (id) => ({ cgroups_path: `/${folder}/${id}` })))) return;
    const { pid, id } = await node.start(pod);
    assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`/${folder}/${id}$`, 'm'));
    await node.runtime.UpdateContainerResources({ container_id: id, linux: { cpu_shares: 512 } });
    const stats = await node.runtime.ContainerStats({ container_id: id });
    assert.ok(Number(stats.stats?.memory?.usage_bytes?.value) > 0);
    await node.runtime.RemoveContainer({ container_id: id });
    await until('it is empty', () => cgroupsOf(folder).every((path) => !existsSync(join(path, id))));
  });
});

function idIn(request: Buffer): string {
  const { id = '' } = decodeRequest('ContainerRequest', request)['container'] as Container;
  return id;
}

function cgroupsOf(folder: string): string[] {
  const hierarchies = readdirSync(CGROUPS).map((name) => join(CGROUPS, name));
  return [CGROUPS, ...hierarchies].map((path) => join(path, folder)).filter((path) => existsSync(path));
}

function removeCgroup(folder: string): void {
  for (const path of cgroupsOf(folder)) rmdirSync(path);
}
