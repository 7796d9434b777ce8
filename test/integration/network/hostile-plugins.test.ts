import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  mkdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PodSandboxState } from '../../../src/gen/runtime/v1/PodSandboxState.js';
import {
  makeTestDirectory,
  noEngine,
  startCridock,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { processesWith } from '../../support/host-processes.js';
import { podConfig } from '../../support/pods.js';
import { until } from '../../support/until.js';
import { noRealPlugins } from './node-namespace.js';

/** What statfs(2) tells of a namespace's file. */
const NSFS_MAGIC = 0x6e736673;
const PLUGIN_FOLDERS = ['/usr/lib/cni', '/opt/cni/bin'];

describe('a pod whose plugins go wrong', { skip: noEngine || noRealPlugins() }, () => {
  let cridock: CridockProcess;
  let directory = '';
  /** Unlike any other process of the machine. */
  const nap = 200_000 + (process.pid % 50_000);

  before(async () => {
    directory = makeTestDirectory();
    installPlugins(directory, nap);
    breakPlugin('GC hang');
    cridock = await startCridock({ directory, flags: [`--cni-bin-dir=${join(directory, 'plugins')}`] });
    speak110(directory);
    await cridock.restart();
  });
  after(async () => {
    const { items } = await cridock.client.runtime.ListPodSandbox({});
    for (const { id } of items) await cridock.client.runtime.RemovePodSandbox({ pod_sandbox_id: id });
    await cridock.stop();
  });

  const breakPlugin = (fault: string): void => writeFileSync(join(directory, 'fault'), fault);
  const calls = (): string[] => {
    const path = join(directory, 'calls');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  };
  /** For the plugins, the process of a sandbox that they are to outlive; and that they have found nothing yet. */
  const noteProcess = async (id: string): Promise<void> => {
    const { info } = await cridock.client.runtime.PodSandboxStatus({ pod_sandbox_id: id, verbose: true });
    const { pid } = JSON.parse(info['info'] ?? '') as { pid: number };
    writeFileSync(join(directory, 'sandbox-pid'), String(pid));
    rmSync(join(directory, 'found'), { force: true });
  };
  const attached = (id: string): string[] => calls().filter((call) => call.endsWith(id));

  it('gets its network while GC hangs, which ends with cridock', async () => {
    await until('GC to hang', () => processesWith(`sleep ${nap}`).length === 1, 20_000);
    const { pod_sandbox_id: id } = await cridock.client.runtime.RunPodSandbox({
      config: podConfig('beside-gc', directory),
    });
    const { status } = await cridock.client.runtime.PodSandboxStatus({ pod_sandbox_id: id });
    assert.notEqual(status?.network?.ip ?? '', '');
    // On a busy machine its own time may be over before the pod comes.
    assert.match(cridock.log(), /CNI garbage collection failed.*(gave way to a pod|within 10 s)/);
    await cridock.client.runtime.RemovePodSandbox({ pod_sandbox_id: id });

    await cridock.restart();
    await until('GC to hang again', () => processesWith(`sleep ${nap}`).length === 1, 20_000);
    await cridock.restart();
    await until('GC to hang again', () => calls().filter((call) => call === 'GC ').length === 3, 20_000);
    assert.ok(processesWith(`sleep ${nap}`).length <= 1, 'the one of before is gone');
  });

  it('is detached once, and removed while its network cannot be reached, also after a restart', async () => {
    breakPlugin('');
    const { runtime } = cridock.client;
    const { pod_sandbox_id: id } = await runtime.RunPodSandbox({ config: podConfig('detached', directory) });
    await runtime.StopPodSandbox({ pod_sandbox_id: id });
    breakPlugin('DEL fail');
    await runtime.StopPodSandbox({ pod_sandbox_id: id });
    await cridock.restart();
    const { status } = await runtime.PodSandboxStatus({ pod_sandbox_id: id });
    assert.equal(status?.state, PodSandboxState.SANDBOX_NOTREADY);
    await runtime.RemovePodSandbox({ pod_sandbox_id: id });
    await runtime.RemovePodSandbox({ pod_sandbox_id: id });
    assert.deepEqual(attached(id), [`ADD ${id}`, `DEL ${id}`]);
  });

  it('stays while it cannot be detached, its namespace too, and goes when it can', async () => {
    breakPlugin('');
    const { runtime } = cridock.client;
    const { pod_sandbox_id: id } = await runtime.RunPodSandbox({ config: podConfig('attached', directory) });
    await noteProcess(id);
    breakPlugin('DEL fail');
    await assert.rejects(runtime.StopPodSandbox({ pod_sandbox_id: id }), /made to fail/);
    await assert.rejects(runtime.RemovePodSandbox({ pod_sandbox_id: id }), /made to fail/);
    assert.equal(namespacesHeldBy(cridock.pid).length, 1);
    breakPlugin('DEL outlive');
    await runtime.RemovePodSandbox({ pod_sandbox_id: id });
    assert.equal(readFileSync(join(directory, 'found'), 'utf8').trim(), 'eth0');
    assert.deepEqual((await runtime.ListPodSandbox({})).items, []);
    assert.deepEqual(namespacesHeldBy(cridock.pid), []);
  });

  it('is detached while its sandbox ends, and plugins find its namespace until they are done', async () => {
    breakPlugin('');
    const { runtime } = cridock.client;
    const { pod_sandbox_id: id } = await runtime.RunPodSandbox({ config: podConfig('held', directory) });
    await noteProcess(id);
    breakPlugin('DEL outlive');
    await runtime.StopPodSandbox({ pod_sandbox_id: id });
    assert.equal(readFileSync(join(directory, 'found'), 'utf8').trim(), 'eth0');
    breakPlugin('');
    await runtime.RemovePodSandbox({ pod_sandbox_id: id });
    assert.deepEqual(namespacesHeldBy(cridock.pid), []);
  });
});

/** Descriptors by which a process holds namespaces. */
function namespacesHeldBy(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return statfsSync(`/proc/${pid}/fd/${fd}`).type === NSFS_MAGIC;
    } catch {
      return false; // closed meanwhile
    }
  });
}

/** The node's plugins, of which `bridge` notes its calls, knows CNI 1.1.0 and goes wrong as the file `fault` says. */
function installPlugins(directory: string, nap: number): void {
  const folder = join(directory, 'plugins');
  mkdirSync(folder);
  const pathOf = (plugin: string): string =>
    PLUGIN_FOLDERS.map((from) => join(from, plugin)).find(existsSync) ?? '';
  for (const plugin of ['host-local', 'loopback']) symlinkSync(pathOf(plugin), join(folder, plugin));
  const script = `#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID" >> ${directory}/calls
case "$CNI_COMMAND $(cat ${directory}/fault)" in
  'GC GC hang') sleep ${nap} & wait ;;
  'GC '* | 'STATUS '*) exit 0 ;;
  'DEL DEL outlive')
    sandbox=/proc/$(cat ${directory}/sandbox-pid)
    for _ in $(seq 300); do [ -e $sandbox/exe ] || break; sleep 0.1; done
    [ -e $sandbox/exe ] || nsenter --net="$CNI_NETNS" cat /proc/thread-self/net/dev | grep -o eth0 >${directory}/found
    sed 's/"1\\.1\\.0"/"1.0.0"/g' | ${pathOf('bridge')} ;;
  'DEL DEL fail') echo '{"cniVersion": "1.1.0", "code": 11, "msg": "made to fail"}'; exit 1 ;;
  *) sed 's/"1\\.1\\.0"/"1.0.0"/g' | ${pathOf('bridge')} ;;
esac
`;
  const path = join(folder, 'bridge');
  rmSync(path, { force: true });
  writeFileSync(path, script);
  chmodSync(path, 0o755);
}

/** GC came with CNI 1.1.0. */
function speak110(directory: string): void {
  const path = join(directory, 'net.d', '10-test.conflist');
  const list = JSON.parse(readFileSync(path, 'utf8')) as { cniVersion: string };
  writeFileSync(path, JSON.stringify({ ...list, cniVersion: '1.1.0' }));
}
