import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../src/gen/runtime/v1/PodSandboxState.js';
import type { CriClient } from '../support/cri-client.js';
import { until } from '../support/until.js';
import { runNodePod } from './node-pod.js';
import { AT_LAST_MS, connectToNode, onNode, onlyInFull, vm } from './node.js';

/** The sandboxes that hold addresses of the pod network: each lease is a file that begins with the id. */
async function holders(): Promise<string[]> {
  const files = await onNode('cd /var/lib/cni/networks/bridge; head -qn 1 10.* || true');
  return files.split('\n').flatMap((line) => /^[0-9a-f]{64}/.exec(line) ?? []);
}

describe('a reboot of the node', { skip: onlyInFull }, () => {
  /** A pod that runs until the node goes down, and one whose containers are gone when it is up again. */
  let old: string;
  let counter: string;
  let lost: string;
  let client: CriClient;
  before(async () => {
    const ended = await runNodePod('rebooted');
    old = ended.id;
    counter = await ended.start('counter', 'echo before; sleep 100000 & wait');
    const vanished = await runNodePod('vanished');
    lost = vanished.id;
    for (const pod of [ended, vanished]) pod.client.close();
    assert.deepEqual(new Set(await holders()), new Set([old, lost]));
    await onNode(`systemctl stop cri-docker.socket cri-docker.service; docker rm -f ${lost}`);
    await vm('reboot');
    client = await connectToNode();
  });

  it('leaves pods that have ended', async () => {
    const { status: sandbox } = await client.runtime.PodSandboxStatus({ pod_sandbox_id: old });
    assert.equal(sandbox?.state, PodSandboxState.SANDBOX_NOTREADY);
    const { status } = await client.runtime.ContainerStatus({ container_id: counter });
    assert.equal(status?.state, ContainerState.CONTAINER_EXITED);
    assert.ok(BigInt(status.finished_at) > BigInt(status.started_at));
    assert.notEqual(status.reason, '');
  });

  it('takes the addresses back of pods that the Engine has lost', async () => {
    await until('its lease to be gone', async () => !(await holders()).includes(lost), AT_LAST_MS);
  });

  it('gives their places to new ones, and nothing is left of the old', async () => {
    const pod = await runNodePod('rebooted', 1);
    const id = await pod.start('again', 'echo after; sleep 100000 & wait');
    const { stdout } = await pod.client.runtime.ExecSync({
      container_id: id,
      cmd: ['ip', 'address', 'show', 'eth0'],
    });
    const { status } = await pod.client.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
    assert.ok(status?.network?.ip);
    assert.ok(stdout.toString().includes(` ${status.network.ip}/`), stdout.toString());
    await client.runtime.StopPodSandbox({ pod_sandbox_id: old });
    await client.runtime.RemovePodSandbox({ pod_sandbox_id: old });
    assert.deepEqual(await holders(), [pod.id]);
    const left = await onNode('docker ps -aq --no-trunc --filter label=io.kubernetes.docker.type');
    assert.deepEqual(new Set(left.trim().split('\n')), new Set([pod.id, id]));
    await pod.remove();
    assert.deepEqual(await holders(), []);
    client.close();
  });
});
