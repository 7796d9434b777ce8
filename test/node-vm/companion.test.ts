import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inUserNamespace, MAPPINGS, POD_GID, POD_UID } from '../support/companion-node.js';
import { until } from '../support/until.js';
import { runNodePod } from './node-pod.js';
import type { NodePod } from './node-pod.js';
import { AT_LAST_MS, cgroupOf, noNode, onNode, pidOf } from './node.js';

const MIB = 1024 * 1024;
const RUN_ON = 'sleep 100000 & wait';

describe('a pod with a user namespace under systemd, cgroup v2 and AppArmor', { skip: noNode }, () => {
  let pod: NodePod;
  const linux = { security_context: { namespace_options: inUserNamespace() } };
  before(async () => void (pod = await runNodePod('userns', 0, inUserNamespace())));
  after(() => pod.remove());

  it('is what the package brings: Status and doctor say so', async () => {
    const { runtime_handlers: handlers } = await pod.client.runtime.Status({});
    assert.equal(handlers.find(({ name }) => name === '')?.features?.user_namespaces, true);
    assert.match(await onNode('cridock doctor || true'), /companion +pods can have user namespaces/);
  });

  it('is root inside and nobody outside, in the slice and scope of its own, with its profile', async () => {
    const id = await pod.start('mapped', RUN_ON, { linux });
    const pid = await pidOf(id);
    const told = await onNode(
      `sed -n 's/^[UG]id:.//p' /proc/${pid}/status; cat /proc/${pid}/attr/current; cat /proc/${pid}/uid_map`,
    );
    const ids = (own: number) => Array(4).fill(own).join('\t');
    assert.ok(told.startsWith(`${ids(POD_UID)}\n${ids(POD_GID)}\n`), told);
    assert.match(told, /^docker-default \(enforce\)$/m);
    assert.match(told, /^ +0 +200000 +65536$/m);
    assert.equal(await cgroupOf(id), `/sys/fs/cgroup${pod.slice}/docker-${id}.scope`);
    assert.equal(await cgroupOf(pod.id), `/sys/fs/cgroup${pod.slice}/docker-${pod.id}.scope`);
    assert.equal(
      await onNode(`readlink /proc/${pid}/ns/user`),
      await onNode(`readlink /proc/${await pidOf(pod.id)}/ns/user`),
    );
  });

  it('has volumes with the right owners both ways, and nothing of it is mounted on the node', async () => {
    await onNode('mkdir -p /srv/volume; touch /srv/volume/of-1000; chown 1000:1001 /srv/volume/of-1000');
    const mounts = [{ host_path: '/srv/volume', container_path: '/v', ...MAPPINGS }];
    const id = await pod.start('volume', RUN_ON, { linux, mounts });
    const cmd = ['sh', '-c', 'stat -c %u:%g /v/of-1000 /; touch /v/new; chown 5:6 /v/new; touch /of-root'];
    const { stdout } = await pod.client.runtime.ExecSync({ container_id: id, cmd, timeout: 400 });
    assert.equal(Buffer.from(stdout).toString(), '1000:1001\n0:0\n');
    assert.equal((await onNode('stat -c %u:%g /srv/volume/new')).trim(), '5:6');
    assert.match(await onNode(`docker diff ${id}`), /^A \/of-root$/m);
    assert.equal(
      (await onNode('grep -c -E "cridock-work|run/cridock" /proc/self/mountinfo || true')).trim(),
      '0',
    );
  });

  it('has raw cgroup keys in force that systemd knows too', async () => {
    const id = await pod.start('exact', RUN_ON, {
      linux: { ...linux, resources: { unified: { 'memory.high': '33554432' } } },
    });
    assert.equal((await onNode(`cat ${await cgroupOf(id)}/memory.high`)).trim(), '33554432');
  });
});

describe('a pod without a user namespace on cgroup v2', { skip: noNode }, () => {
  let pod: NodePod;
  before(async () => void (pod = await runNodePod('exact')));
  after(() => pod.remove());

  it('has huge-page limits before its first instruction, reserved pages included, by the companion', async (t) => {
    if (!/\bhugetlb\b/.test(await onNode('cat /sys/fs/cgroup/cgroup.controllers'))) {
      t.skip("this node's kernel cannot limit huge pages");
      return;
    }
    const resources = { hugepage_limits: [{ page_size: '2MB', limit: String(4 * MIB) }] };
    const first = 'cat /sys/fs/cgroup/hugetlb.2MB.max /sys/fs/cgroup/hugetlb.2MB.rsvd.max';
    const id = await pod.start('huge', `${first}; ${RUN_ON}`, { linux: { resources } });
    assert.match(await onNode(`docker inspect -f '{{.HostConfig.Runtime}}' ${id}`), /cridock/);
    const log = async () => await onNode(`cat ${pod.logs}/huge/0.log 2>/dev/null || true`);
    await until('its words', async () => (await log()).split('\n').length > 2, AT_LAST_MS);
    assert.deepEqual((await log()).match(/\d+$/gm), ['4194304', '4194304']);
    assert.equal((await onNode(`cat ${await cgroupOf(id)}/hugetlb.2MB.max`)).trim(), '4194304');
    const { status } = await pod.client.runtime.ContainerStatus({ container_id: id });
    assert.deepEqual(status?.resources?.linux?.hugepage_limits, resources.hugepage_limits);
  });
});
