import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isCompanionRuntime } from '../../src/convert/companion/runtime-names.js';
import { noCompanion } from '../support/companion-node.js';
import { testDockerEndpoint } from '../support/cridock-process.js';
import { leasedAddresses } from '../support/leftovers.js';
import { podConfig } from '../support/pods.js';
import { refusal, TestNode } from '../support/test-node.js';
import { until } from '../support/until.js';

/** A plugin behind the bridge: it notes what it is called with, and does what the files beside it say. */
const PLUGIN = `
const { appendFileSync, existsSync, readFileSync } = require('node:fs');
const { CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS } = process.env;
const [folder] = process.argv.slice(1).map((path) => require('node:path').dirname(path));
const { prevResult } = JSON.parse(readFileSync(0, 'utf8'));
appendFileSync(folder + '/calls', [CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, prevResult?.interfaces?.at(-1)?.sandbox].join(' ') + '\\n');
const go = () => {
  if (CNI_COMMAND === 'ADD' && existsSync(folder + '/hold')) return setTimeout(go, 20);
  const fails = CNI_COMMAND === 'ADD' && existsSync(folder + '/fail');
  console.log(JSON.stringify(fails ? { code: 100, msg: 'told to fail' } : prevResult));
  process.exitCode = fails ? 1 : 0;
};
go();
`;

/** Engines before 27 switch IPv6 off in the namespace, and take the pod's addresses away. */
const isOld = /^(20|2[0-6])\./.test(process.env['CRIDOCK_TEST_COMPANION_ENGINE'] ?? '');
const noAhead = noCompanion || (isOld && 'this Engine takes no network ahead');

describe('--network-ahead', { skip: noAhead }, () => {
  let node: TestNode;
  let bin: string;
  before(async () => {
    bin = mkdtempSync(join(tmpdir(), 'network-ahead-'));
    node = await TestNode.start(['--network-ahead', `--cni-bin-dir=${bin},/usr/lib/cni,/opt/cni/bin`]);
    const list = join(node.cridock.directory, 'net.d/10-test.conflist');
    const network = JSON.parse(readFileSync(list, 'utf8')) as { plugins: object[] };
    writeFileSync(join(bin, 'noting'), `#!${process.execPath}${PLUGIN}`, { mode: 0o755 });
    writeFileSync(list, JSON.stringify({ ...network, plugins: [...network.plugins, { type: 'noting' }] }));
  });
  after(async () => {
    await node.close();
    rmSync(bin, { recursive: true });
  });

  const calls = (): string[] => {
    const file = join(bin, 'calls');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  };
  const leases = (): string[] => leasedAddresses(node.cridock);
  const docker = (...words: string[]): string =>
    execFileSync(process.env['DOCKER'] ?? 'docker', ['-H', testDockerEndpoint, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  const runtimeOf = (id: string): string => docker('inspect', '-f', '{{.HostConfig.Runtime}}', id);
  /** The pids of cridock's. */
  const children = (): string[] =>
    readFileSync(`/proc/${node.cridock.pid}/task/${node.cridock.pid}/children`, 'utf8').trim().split(' ');
  /** Network namespaces that cridock or its helper holds. */
  const held = (): string[] => {
    const own = readlinkSync('/proc/self/ns/net');
    return [String(node.cridock.pid), ...children()].flatMap((pid) =>
      descriptorsOf(pid)
        .map((fd) => readlink(`/proc/${pid}/fd/${fd}`))
        .filter((target) => target.startsWith('net:') && target !== own),
    );
  };
  const allPods = (): string => docker('ps', '-aq', '--no-trunc', '--filter', 'name=^/k8s_POD_');

  it('attaches a pod in a namespace that is made before its process, and known by that afterwards', async () => {
    const { id, pid } = await node.pod();
    assert.ok(isCompanionRuntime(runtimeOf(id)), runtimeOf(id));
    const [add = ''] = calls();
    assert.match(add, new RegExp(`^ADD ${id} /proc/${node.cridock.pid}/fd/\\d+ `));
    const { status, info } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: id, verbose: true });
    const ip = status?.network?.ip ?? '';
    assert.deepEqual(leases(), [ip]);
    const inside = execFileSync('nsenter', ['-t', String(pid), '-n', 'ip', '-o', 'addr'], {
      encoding: 'utf8',
    });
    assert.match(inside, new RegExp(`eth0 +inet ${ip.replaceAll('.', '\\.')}/`));
    assert.match(inside, /lo +inet 127\.0\.0\.1/);
    assert.ok(info);
    // Of the namespace that was made nobody knows more than of any other pod's: CHECK is given the lasting path.
    const [check = '', ...more] = calls().slice(1);
    assert.deepEqual(more, []);
    const [, , netns, sandbox] = check.split(' ');
    assert.match(check, /^CHECK /);
    assert.equal(sandbox, netns);
    assert.doesNotMatch(check, /\/fd\//);
    assert.deepEqual(held(), []);
    await node.runtime.StopPodSandbox({ pod_sandbox_id: id });
    assert.deepEqual(leases(), []);
    assert.deepEqual(held(), []);
  });

  it('has containers that reach each other, and answers the same request with the same pod', async () => {
    const pod = await node.pod();
    const { id } = await node.start(pod);
    const seen = await node.runtime.ExecSync({ container_id: id, cmd: ['ip', 'addr'], timeout: '10' });
    assert.match(seen.stdout.toString(), /eth0/);
    const again = await node.runtime.RunPodSandbox({ config: pod.config, runtime_handler: '' });
    assert.equal(again.pod_sandbox_id, pod.id);
  });

  it('leaves pods alone that have network settings of the kernel', async () => {
    const sysctls = { 'net.ipv4.ip_local_port_range': '1024 60000' };
    const { id } = await node.pod({ linux: { sysctls } });
    assert.equal(isCompanionRuntime(runtimeOf(id)), false);
    assert.match(
      calls()
        .filter((line) => line.startsWith('ADD'))
        .at(-1) ?? '',
      new RegExp(`^ADD ${id} (?!.*/fd/)`),
    );
  });

  it('leaves nothing of a pod whose plugin fails', async () => {
    const [pods, leased] = [allPods(), leases()];
    writeFileSync(join(bin, 'fail'), '');
    const { text } = await refusal(node.pod());
    rmSync(join(bin, 'fail'));
    assert.match(text, /told to fail/);
    assert.deepEqual([allPods(), leases(), held()], [pods, leased, []]);
  });

  it('leaves nothing of a pod whose container does not start', async () => {
    const [pods, leased] = [allPods(), leases()];
    // Docker takes it, and the kernel does not.
    const { text } = await refusal(node.pod({ linux: { sysctls: { 'kernel.shmmni': 'many' } } }));
    assert.match(text, /shmmni/);
    assert.deepEqual([allPods(), leases(), held()], [pods, leased, []]);
  });

  it('does not wait for plugins whose pod does not start', async (t) => {
    const [pods, leased] = [allPods(), leases()];
    writeFileSync(join(bin, 'hold'), '');
    t.after(() => rmSync(join(bin, 'hold')));
    const { text } = await refusal(node.pod({ linux: { sysctls: { 'kernel.shmmni': 'many' } } }));
    assert.match(text, /shmmni/);
    assert.deepEqual([allPods(), leases(), held()], [pods, leased, []]);
  });

  it('is made anew after a kill of cridock while plugins are at it', async () => {
    const leased = leases();
    const config = podConfig('cut-off', node.cridock.directory);
    writeFileSync(join(bin, 'hold'), '');
    const before = calls().length;
    const call = node.runtime.RunPodSandbox({ config, runtime_handler: '' }).catch(() => undefined);
    await until('ADD', () => calls().length > before);
    await node.cridock.kill9();
    await call;
    rmSync(join(bin, 'hold'));
    await node.cridock.restart();
    const { pod_sandbox_id } = await node.runtime.RunPodSandbox({ config, runtime_handler: '' });
    const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id, verbose: false });
    assert.deepEqual(leases().sort(), [...leased, status?.network?.ip].sort());
    assert.deepEqual(held(), []);
    await node.runtime.StopPodSandbox({ pod_sandbox_id });
    await node.runtime.RemovePodSandbox({ pod_sandbox_id });
    assert.deepEqual(leases().sort(), leased.sort());
  });

  it('gives a pod addresses of both families, which the Engine leaves alone', async (t) => {
    const list = join(node.cridock.directory, 'net.d/10-test.conflist');
    const text = readFileSync(list, 'utf8');
    t.after(() => writeFileSync(list, text));
    const network = JSON.parse(text) as { plugins: { ipam?: { ranges: object[] } }[] };
    network.plugins[0]?.ipam?.ranges.push([{ subnet: 'fd00:77::/64' }]);
    writeFileSync(list, JSON.stringify(network));
    const { id, pid } = await node.pod();
    const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: id, verbose: false });
    const ip = status?.network?.additional_ips[0]?.ip ?? '';
    assert.match(ip, /^fd00:77::/);
    const words = ['-t', String(pid), '-n', 'ip', '-6', '-o', 'addr', 'show', 'dev', 'eth0'];
    assert.ok(execFileSync('nsenter', words, { encoding: 'utf8' }).includes(`inet6 ${ip}/64`));
  });

  it('goes on without its helper', async () => {
    const helper = children().find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'cridock-cni\n');
    process.kill(Number(helper), 'SIGKILL');
    const pods = await Promise.all([node.pod(), node.pod(), node.pod()]);
    for (const { id } of pods) {
      const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: id, verbose: false });
      assert.match(status?.network?.ip ?? '', /^10\./);
    }
    assert.deepEqual(held(), []);
  });
});

describe('--network-ahead where the network cannot be had ahead', { skip: noCompanion }, () => {
  it("attaches pods after their start: an old Engine, and Docker's own network", async () => {
    for (const flags of [...(isOld ? [[]] : []), ['--network-plugin=']]) {
      const node = await TestNode.start(['--network-ahead', ...flags]);
      try {
        const { id } = await node.pod();
        const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: id, verbose: false });
        assert.notEqual(status?.network?.ip ?? '', '');
        const { HostConfig } = await node.engine.inspectContainer(id);
        assert.equal(isCompanionRuntime(HostConfig.Runtime), false);
      } finally {
        await node.close();
      }
    }
  });
});

function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return []; // it has ended
  }
}

function readlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // closed meanwhile
  }
}
