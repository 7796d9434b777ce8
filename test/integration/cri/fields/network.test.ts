import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Protocol } from '../../../../src/gen/runtime/v1/Protocol.js';
import { noEngine } from '../../../support/cridock-process.js';
import { refusal, TestNode } from '../../../support/test-node.js';
import { until } from '../../../support/until.js';

/** A configuration list in net.d, as the test node has it: one plugin `bridge` with `host-local`. */
interface ConfigList {
  plugins: { capabilities?: object; ipam?: { ranges?: { subnet: string }[][] } }[];
}

describe('the network of a pod', { skip: noEngine }, () => {
  let node: TestNode;

  beforeEach(async () => {
    node = await TestNode.start();
  });
  afterEach(async () => {
    await node.close();
  });

  const configPath = () => join(node.cridock.directory, 'net.d/10-test.conflist');
  function changeConfig(change: (list: ConfigList) => void): void {
    const list = JSON.parse(readFileSync(configPath(), 'utf8')) as ConfigList;
    change(list);
    writeFileSync(configPath(), JSON.stringify(list));
  }
  const statusOf = async (id: string) =>
    (await node.runtime.PodSandboxStatus({ pod_sandbox_id: id, verbose: true })).status;

  it('port_mappings: protocol, container_port, host_port and host_ip', async () => {
    changeConfig(({ plugins }) => plugins.push({ capabilities: { portMappings: true }, ...PORTMAP }));
    const [tcp, local, udp] = await Promise.all([freePort(), freePort(), freePort()]);
    const port_mappings = [
      { protocol: Protocol.TCP, container_port: 80, host_port: tcp },
      { protocol: Protocol.TCP, container_port: 80, host_port: local, host_ip: '127.0.0.1' },
      { protocol: Protocol.UDP, container_port: 53, host_port: udp },
      { protocol: Protocol.TCP, container_port: 81, host_port: 0 }, // none
    ];
    const pod = await node.pod({ port_mappings });
    await node.start(pod, { command: ['httpd', '-f', '-p', '80', '-h', '/etc'] });
    const gateway = networkInterfaces()[node.cridock.bridge]?.[0]?.address ?? '';
    const passwd = /root:x:0:0/;
    const answers = () => fetchText(`http://127.0.0.1:${tcp}/passwd`).then(Boolean, () => false);
    await until('the server to listen', answers);
    for (const address of [`127.0.0.1:${tcp}`, `${gateway}:${tcp}`, `127.0.0.1:${local}`]) {
      assert.match(await fetchText(`http://${address}/passwd`), passwd, address);
    }
    await assert.rejects(fetchText(`http://${gateway}:${local}/passwd`));
    assert.equal(await echoedBy(pod.pid, 53, udp), 'ping');
    await node.runtime.StopPodSandbox({ pod_sandbox_id: pod.id });
    await assert.rejects(fetchText(`http://127.0.0.1:${tcp}/passwd`));
    const refused = await refusal(node.pod({ port_mappings: [{ container_port: 0, host_port: 1 }] }));
    assert.equal(refused.code, 'INVALID_ARGUMENT');
    assert.match(refused.text, /container_port/);
  });

  it('port_mappings: SCTP reaches the plugin, or is refused where the kernel has none', async (t) => {
    changeConfig(({ plugins }) => plugins.push({ capabilities: { portMappings: true }, ...PORTMAP }));
    const port_mappings = [{ protocol: Protocol.SCTP, container_port: 7, host_port: await freePort() }];
    try {
      await node.pod({ port_mappings });
      assert.match(execFileSync('iptables-save', ['-t', 'nat'], { encoding: 'utf8' }), /-p sctp .*--dport/);
    } catch (error) {
      assert.match(String(error), /portmap.*sctp|sctp.*portmap/is);
      t.diagnostic(`no SCTP here: ${String(error)}`);
    }
  });

  it('runtime_config: pods get addresses in the pod_cidr of its network_config', async () => {
    changeConfig(({ plugins: [bridge] }) => {
      Object.assign(bridge ?? {}, { capabilities: { ipRanges: true } });
      delete bridge?.ipam?.ranges;
    });
    for (const third of [1, 2]) {
      const pod_cidr = `10.99.${third}.0/24`;
      await node.runtime.UpdateRuntimeConfig({ runtime_config: { network_config: { pod_cidr } } });
      const pod = await node.pod();
      const ip = (await statusOf(pod.id))?.network?.ip ?? '';
      assert.ok(ip.startsWith(`10.99.${third}.`), ip);
      assert.ok((await node.output(pod, 'ip -4 addr show eth0')).includes(` ${ip}/24`));
      // The bridge keeps the gateway of the first range.
      await node.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
      execFileSync('ip', ['link', 'delete', node.cridock.bridge]);
    }
    const bad = node.runtime.UpdateRuntimeConfig({ runtime_config: { network_config: { pod_cidr: 'x' } } });
    assert.match((await refusal(bad)).text, /pod_cidr/);
  });

  it('additional_ips: every address that the pod has besides its first ip', async () => {
    changeConfig(({ plugins: [bridge] }) => bridge?.ipam?.ranges?.push([{ subnet: 'fd00:cd::/64' }]));
    const pod = await node.pod();
    const network = (await statusOf(pod.id))?.network;
    const others = network?.additional_ips.map(({ ip }) => ip) ?? [];
    assert.equal(others.length, 1);
    const shown = await node.output(pod, 'ip addr show eth0');
    for (const ip of [network?.ip, ...others]) assert.ok(shown.includes(` ${ip}/`), ip);
  });

  it('Status: NetworkReady has status, reason and message of a broken configuration', async () => {
    renameSync(configPath(), `${configPath()}.away`);
    const { status } = await node.runtime.Status({});
    const condition = status?.conditions.find(({ type }) => type === 'NetworkReady');
    assert.deepEqual([condition?.status, condition?.reason], [false, 'NetworkPluginNotReady']);
    assert.ok(condition?.message.includes('net.d'), condition?.message);
    await assert.rejects(node.pod());
    renameSync(`${configPath()}.away`, configPath());
    await node.pod();
  });

  it('a verbose PodSandboxStatus tells what is wrong with the network', async () => {
    const pod = await node.pod();
    const problem = async () => {
      const { info } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id, verbose: true });
      return (JSON.parse(info['info'] ?? '') as { networkProblem: string }).networkProblem;
    };
    assert.equal(await problem(), '');
    execFileSync('nsenter', ['-t', String(pod.pid), '-n', 'ip', 'link', 'delete', 'eth0']);
    assert.match(await problem(), /CNI plugin bridge, CHECK/);
  });
});

const PORTMAP = { type: 'portmap', snat: true };

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(5_000),
    headers: { connection: 'close' },
  });
  return response.text();
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

const ECHO = `require('node:dgram').createSocket('udp4')
  .on('message', function (bytes, from) { this.send(bytes, from.port, from.address); })
  .bind(Number(process.argv[1]), () => console.log('listening'))`;

/** What comes back of a datagram to the host's port when a process in the pod's network echoes those to `podPort`. */
async function echoedBy(podPid: number, podPort: number, hostPort: number): Promise<string> {
  const inPod = ['-t', String(podPid), '-n', process.execPath, '-e', ECHO, String(podPort)];
  const echo = spawn('nsenter', inPod, { stdio: ['ignore', 'pipe', 'inherit'] });
  const client = createSocket('udp4');
  try {
    await once(echo.stdout, 'data');
    let answer = '';
    client.on('message', (bytes) => (answer = bytes.toString()));
    client.send('ping', hostPort, '127.0.0.1');
    await until('the echo', () => answer !== '');
    return answer;
  } finally {
    client.close();
    echo.kill('SIGKILL');
    await once(echo, 'exit');
  }
}
