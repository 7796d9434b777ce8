import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Finding } from '../../src/doctor/finding.js';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../src/gen/runtime/v1/PodSandboxState.js';
import { until } from '../support/until.js';
import { runNodePod } from './node-pod.js';
import type { NodePod } from './node-pod.js';
import { AT_LAST_MS, noNode, onNode, pidOf } from './node.js';

const mainPid = async (): Promise<number> => Number(await onNode('systemctl show -P MainPID cri-docker'));

describe('the service under systemd', { skip: noNode }, () => {
  it('has no failure to tell of this node', async () => {
    const findings = JSON.parse(await onNode('cridock doctor --json || [ $? -eq 1 ]')) as Finding[];
    assert.deepEqual(
      findings.filter(({ level }) => level === 'failure'),
      [],
    );
  });

  it('is a process of that name, which the kernel spares and which leaves no core', async () => {
    const pid = await mainPid();
    assert.equal((await onNode(`cat /proc/${pid}/comm`)).trim(), 'cridock');
    assert.equal((await onNode(`cat /proc/${pid}/oom_score_adj`)).trim(), '-999');
    assert.match(await onNode(`cat /proc/${pid}/limits`), /^Max core file size +0 +0 /m);
  });

  it('is confined as its unit says, and the unit has no fault', async () => {
    assert.match(await onNode(`cat /proc/${await mainPid()}/status`), /^Seccomp:\s+2$/m);
    assert.equal(
      await onNode('systemd-analyze verify --man=no /lib/systemd/system/cri-docker.service 2>&1'),
      '',
    );
    const properties =
      'LockPersonality,RestrictRealtime,RestrictSUIDSGID,SystemCallArchitectures,UMask,KillMode';
    assert.deepEqual(
      new Set((await onNode(`systemctl show -p ${properties} cri-docker`)).trim().split('\n')),
      new Set([
        'LockPersonality=yes',
        'RestrictRealtime=yes',
        'RestrictSUIDSGID=yes',
        'SystemCallArchitectures=native',
        'UMask=0022',
        'KillMode=mixed',
      ]),
    );
  });
});

describe('restarts', { skip: noNode }, () => {
  let pod: NodePod;
  let counter: string;
  let pids: number[];
  before(async () => {
    pod = await runNodePod('restarts');
    counter = await pod.start('counter', 'i=0; while true; do i=$((i + 1)); echo line $i; sleep 1; done');
    pids = [await pidOf(pod.id), await pidOf(counter)];
  });
  after(() => pod.remove());

  const lines = async (): Promise<string[]> => {
    const log = await onNode(`cat ${pod.logs}/counter/0.log`);
    return log
      .trim()
      .split('\n')
      .map((line) => line.split(' ').slice(3).join(' '));
  };
  /** The pod goes on as if nothing had been: same processes, commands run, and the log has each line once. */
  const goesOn = async (): Promise<void> => {
    const { runtime } = pod.client;
    const isInStep = async (): Promise<boolean> => {
      try {
        const { status } = await runtime.ContainerStatus({ container_id: counter });
        return status?.state === ContainerState.CONTAINER_RUNNING;
      } catch {
        return false; // the service or the Engine is not back yet
      }
    };
    await until('the container to be told of', isInStep, AT_LAST_MS);
    const { status } = await runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
    assert.equal(status?.state, PodSandboxState.SANDBOX_READY);
    assert.deepEqual([await pidOf(pod.id), await pidOf(counter)], pids);
    const { stdout } = await runtime.ExecSync({ container_id: counter, cmd: ['echo', 'here'] });
    assert.equal(stdout.toString(), 'here\n');
    const before = (await lines()).length;
    await until('more lines', async () => (await lines()).length > before + 2, AT_LAST_MS);
    const all = await lines();
    assert.deepEqual(
      all,
      all.map((_, index) => `line ${index + 1}`),
    );
  };

  it('leaves pods alone when it is restarted', async () => {
    const pid = await mainPid();
    await onNode('systemctl restart cri-docker');
    assert.notEqual(await mainPid(), pid);
    await goesOn();
  });

  it('leaves pods alone when it is killed, and is back by itself', async () => {
    const pid = await mainPid();
    await onNode(`kill -9 ${pid}`);
    await until('another process', async () => ![0, pid].includes(await mainPid()), AT_LAST_MS);
    await goesOn();
  });

  it('goes on with pods that outlive a restart of the Engine', async () => {
    await onNode(
      'jq \'. + {"live-restore": true}\' /etc/docker/daemon.json >/root/d.json; cp /root/d.json /etc/docker/daemon.json; systemctl reload docker',
    );
    await until(
      'the setting',
      async () => (await onNode("docker info -f '{{.LiveRestoreEnabled}}'")).trim() === 'true',
      AT_LAST_MS,
    );
    await onNode('systemctl restart docker');
    await goesOn();
  });

  /** Last, as by now there is something to warn of. */
  it("gives its lines the journal's priorities", async () => {
    const lines = async (priority: string): Promise<string[]> => {
      const told = await onNode(
        `journalctl -u cri-docker -b -p ${priority}..${priority} -o cat --no-pager _COMM=cridock || true`,
      );
      return told.split('\n').filter((line) => line.startsWith('time='));
    };
    const [warnings, notes] = [await lines('warning'), await lines('info')];
    assert.ok(warnings.some((line) => line.includes('msg="lost the Docker Engine')));
    assert.ok(notes.some((line) => line.includes('msg="listening"')));
    for (const line of warnings) assert.match(line, / level=warn /);
    for (const line of notes) assert.match(line, / level=info /);
    assert.doesNotMatch(await onNode('journalctl -u cri-docker -b -o cat --no-pager'), /^<\d>/m);
  });
});
