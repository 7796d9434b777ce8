import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { NamespaceOption } from '../../../../src/gen/runtime/v1/NamespaceOption.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import { noEngine } from '../../../support/cridock-process.js';
import type { ServiceError } from '../../../support/cri-client.js';
import { cgroupValue, namespaceOf, removeCgroup, statusOf } from '../../../support/process-truth.js';
import { refusal, TestNode, WITH_COMPANION, type TestPod } from '../../../support/test-node.js';

const { POD, CONTAINER, NODE, TARGET } = NamespaceMode;
const CGROUP = `/cridock-test-${process.pid}`;

/** What the Engine under test runs for its handlers. */
const PROGRAMS = { crun: 'crun', 'second-runc': 'runc' };

describe('namespaces, sysctls and runtime of a pod', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  let hostPod: TestPod;
  const podWith = (namespace_options: NamespaceOption, sysctls: Record<string, string> = {}) =>
    node.pod({ linux: { security_context: { namespace_options }, sysctls } });

  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
    hostPod = await podWith({ network: NODE, pid: NODE, ipc: NODE });
  });
  after(async () => {
    await node.close();
    removeCgroup(CGROUP);
  });
  const start = (of: TestPod, namespace_options: NamespaceOption) =>
    node.start(of, { security: { namespace_options } });

  it("network: the pod shares one, NODE is the host's", async () => {
    const { pid } = await start(pod, { network: POD, pid: CONTAINER });
    assert.equal(namespaceOf(pid, 'net'), namespaceOf(pod.pid, 'net'));
    assert.notEqual(namespaceOf(pid, 'net'), namespaceOf('self', 'net'));
    const host = await start(hostPod, { network: NODE, pid: CONTAINER, ipc: NODE });
    assert.equal(namespaceOf(host.pid, 'net'), namespaceOf('self', 'net'));
    assert.equal(namespaceOf(host.pid, 'uts'), namespaceOf('self', 'uts'));
    assert.match((await refusal(start(pod, { network: NODE }))).text, /network/);
    assert.match((await refusal(start(pod, { network: CONTAINER }))).text, /network/);
  });

  it('pid: POD, CONTAINER, NODE and TARGET', async () => {
    const first = await start(pod, { pid: CONTAINER });
    assert.notEqual(namespaceOf(first.pid, 'pid'), namespaceOf(pod.pid, 'pid'));
    const shared = await start(pod, { pid: POD });
    assert.equal(namespaceOf(shared.pid, 'pid'), namespaceOf(pod.pid, 'pid'));
    const target = await start(pod, { pid: TARGET, target_id: first.id });
    assert.equal(namespaceOf(target.pid, 'pid'), namespaceOf(first.pid, 'pid'));
    const host = await start(hostPod, { network: NODE, pid: NODE, ipc: NODE });
    assert.equal(namespaceOf(host.pid, 'pid'), namespaceOf('self', 'pid'));
    const stranger = await refusal(start(hostPod, { network: NODE, pid: TARGET, target_id: first.id }));
    assert.equal(stranger.code, 'FAILED_PRECONDITION');
    assert.equal((await refusal(start(pod, { pid: TARGET }))).code, 'INVALID_ARGUMENT');
  });

  it('ipc: POD, CONTAINER and NODE', async () => {
    assert.equal(namespaceOf((await start(pod, { ipc: POD })).pid, 'ipc'), namespaceOf(pod.pid, 'ipc'));
    const own = namespaceOf((await start(pod, { ipc: CONTAINER })).pid, 'ipc');
    assert.ok(own !== namespaceOf(pod.pid, 'ipc') && own !== namespaceOf('self', 'ipc'));
    const host = await start(hostPod, { network: NODE, ipc: NODE });
    assert.equal(namespaceOf(host.pid, 'ipc'), namespaceOf('self', 'ipc'));
  });

  it('PodSandboxStatus tells the modes', async () => {
    const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: hostPod.id });
    const { network, pid, ipc } = status?.linux?.namespaces?.options ?? {};
    assert.deepEqual([network, pid, ipc], [NODE, NODE, NODE]);
  });

  it('userns_options of a pod are refused without the companion runtime', async (t) => {
    if (await node.hasCompanion()) {
      t.skip(WITH_COMPANION);
      return;
    }
    const uids = [{ host_id: 200000, container_id: 0, length: 65536 }];
    const { code, text } = await refusal(podWith({ userns_options: { mode: POD, uids, gids: uids } }));
    assert.equal(code, 'UNIMPLEMENTED');
    assert.match(text, /userns_options/);
  });

  it('sysctls: safe and unsafe ones hold in the pod, those of the host are refused', async () => {
    const sysctls = { 'net.ipv4.ip_local_port_range': '2000 3000', 'kernel.msgmax': '16384' };
    const withSysctls = await podWith({ pid: CONTAINER }, sysctls);
    const text = await node.output(
      withSysctls,
      'cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/msgmax',
    );
    assert.deepEqual(text.split(/\s+/).filter(Boolean), ['2000', '3000', '16384']);
    const onHost = await refusal(podWith({ network: NODE }, { 'net.ipv4.ip_forward': '1' }));
    assert.equal(onHost.code, 'INVALID_ARGUMENT');
    assert.match(onHost.text, /sysctls/);
    await assert.rejects(podWith({}, { 'kernel.no_namespace_of_its_own': '1' }));
  });

  it('cgroup_parent: the pod and its containers are below it', async () => {
    const below = await node.pod({ linux: { cgroup_parent: CGROUP } });
    const { pid } = await node.start(below, { resources: { cpu_shares: 99 } });
    for (const process of [below.pid, pid]) {
      assert.match(readFileSync(`/proc/${process}/cgroup`, 'utf8'), new RegExp(`:${CGROUP}/`));
    }
    assert.equal(cgroupValue(pid, 'cpu.shares'), '99');
  });

  it('runtime_handler: a second runtime runs the pod, an unknown one is refused', async (t) => {
    const { code, text } = await refusal(node.pod({}, 'none-such'));
    assert.equal(code, 'INVALID_ARGUMENT');
    assert.match(text, /none-such/);
    let second: keyof typeof PROGRAMS = 'crun';
    const otherPod = await node.pod({}, second).catch((error: unknown) => {
      // Debian 12's crun does not know the specification of newer Engines.
      const { details } = error as ServiceError;
      assert.match(details, /unknown version|no such file|not found/);
      t.diagnostic(`crun cannot run here (${details}): a second runc stands in`);
      second = 'second-runc';
      return node.pod({}, second);
    });
    const { pid } = await node.start(otherPod);
    for (const process of [otherPod.pid, pid]) {
      // The process above is containerd's shim, in the folder that says what it runs.
      const shim = statusOf(process).get('PPid') ?? '';
      assert.match(
        readFileSync(`/proc/${shim}/cwd/options.json`, 'utf8'),
        new RegExp(`[/"]${PROGRAMS[second]}`),
      );
    }
    const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: otherPod.id });
    assert.equal(status?.runtime_handler, second);
    const { runtime_handlers: handlers } = await node.runtime.Status({});
    assert.ok(['', 'runc', second].every((name) => handlers.some((handler) => handler.name === name)));
  });

  it('dns_config: servers, searches and options are the resolv.conf of every container', async () => {
    const dns_config = { servers: ['10.1.2.3'], searches: ['a.test', 'b.test'], options: ['ndots:3'] };
    const resolving = await node.pod({ dns_config });
    const text = await node.output(resolving, 'cat /etc/resolv.conf');
    assert.match(text, /^nameserver 10\.1\.2\.3$/m);
    assert.match(text, /^search a\.test b\.test$/m);
    assert.match(text, /^options ndots:3$/m);
  });
});
