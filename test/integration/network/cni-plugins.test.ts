import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, afterEach, describe, it } from 'node:test';

import { readPodAddresses } from '../../../src/network/addresses.js';
import { isLoopbackUp } from '../../../src/network/loopback.js';
import { CniSetup, detaching, podRequest } from './cni-setup.js';
import { noRealPlugins, NodeNamespace } from './node-namespace.js';

describe('the usual plugins', { skip: noRealPlugins() }, () => {
  const namespace = new NodeNamespace();
  let setup: CniSetup;
  let podProcess: ChildProcess;
  let netnsPath = '';

  before(async () => {
    await namespace.make();
    netnsPath = await namespace.addPod('pod');
    // The pod's process: its /proc files are read, and it says hello to who connects.
    const server =
      "require('net').createServer((socket) => socket.end('hello')).listen(80, () => console.log('up'))";
    const [file = '', ...args] = namespace.podCommand('pod', process.execPath, '-e', server);
    podProcess = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (podProcess.stdout !== null) await once(podProcess.stdout, 'data');
  });
  after(async () => {
    podProcess.kill('SIGKILL');
    await once(podProcess, 'exit');
    await namespace.dispose();
  });
  beforeEach(async () => {
    setup = await CniSetup.make();
    await namespace.installPlugins(setup.binDir);
  });
  afterEach(() => setup.dispose());

  const pid = (): number => podProcess.pid ?? 0;

  /** host-local with its files among the test's own. */
  function hostLocal(...subnets: string[]): object {
    const ranges = subnets.map((subnet) => [{ subnet }]);
    const routes = [{ dst: '0.0.0.0/0' }];
    return { type: 'host-local', ranges, routes, dataDir: join(setup.root, 'ipam') };
  }

  async function reservedAddresses(network: string): Promise<string[]> {
    const names = await readdir(join(setup.root, 'ipam', network));
    return names.filter((name) => /^[0-9a-f.:]+$/.test(name));
  }

  for (const cniVersion of ['0.3.1', '0.4.0', '1.0.0']) {
    it(`bridge, host-local, portmap and bandwidth, version ${cniVersion}`, async () => {
      await setup.configure('10-pods.conflist', {
        cniVersion,
        name: 'pods',
        plugins: [
          { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: true, ipam: hostLocal('10.213.0.0/24') },
          { type: 'portmap', capabilities: { portMappings: true }, snat: true },
          { type: 'bandwidth', capabilities: { bandwidth: true } },
        ],
      });
      const network = setup.network();
      assert.deepEqual(await network.condition(), { ready: true, reason: '', message: '' });
      const request = podRequest('a', {
        netnsPath,
        portMappings: [{ protocol: 'tcp', containerPort: 80, hostPort: 18080, hostIp: '' }],
        annotations: { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '20M' },
      });
      const { ips } = await network.setUp(request);
      assert.equal(ips.length, 1);
      assert.match(ips[0] ?? '', /^10\.213\.0\.\d+$/);
      assert.deepEqual(await readPodAddresses(pid()), ips);
      assert.deepEqual((await network.recorded(request.sandboxId))?.ips, ips);
      assert.match(
        await namespace.inNode('iptables-save', '-t', 'nat'),
        /--dport 18080 .*--to-destination 10\.213/,
      );
      assert.match(await namespace.inNode('tc', 'qdisc', 'show'), /rate 10Mbit/);
      for (const server of [`${ips[0] ?? ''}/80`, '127.0.0.1/18080']) {
        assert.equal(await namespace.inNode('bash', '-c', `cat < /dev/tcp/${server}`), 'hello');
      }

      await network.tearDown(detaching(request));
      await network.tearDown(detaching({ ...request, netnsPath: '' }));
      assert.deepEqual(await readPodAddresses(pid()), []);
      assert.doesNotMatch(await namespace.inNode('iptables-save', '-t', 'nat'), /18080/);
      assert.doesNotMatch(await namespace.inNode('ip', '-o', 'link'), /veth|ifb|bwp/);
      assert.deepEqual(await reservedAddresses('pods'), []);
      assert.deepEqual(await setup.records(), []);
    });
  }

  it('ptp with two address families, from the pod CIDRs of the node', async () => {
    await setup.configure('10-ptp.conf', {
      cniVersion: '1.0.0',
      name: 'ptp-net',
      type: 'ptp',
      capabilities: { ipRanges: true },
      ipam: hostLocal(),
    });
    const network = setup.network({ podCidr: '10.214.0.0/24' });
    network.setPodCidr('10.214.0.0/24,fd00:d6::/64');
    const request = podRequest('b', { netnsPath });
    const { ips } = await network.setUp(request);
    assert.equal(ips.length, 2);
    assert.match(ips[0] ?? '', /^10\.214\.0\./);
    assert.match(ips[1] ?? '', /^fd00:d6::/);
    assert.deepEqual(await readPodAddresses(pid()), ips);
    await network.check(request.sandboxId, netnsPath);
    await network.tearDown(detaching(request));
    assert.deepEqual(await reservedAddresses('ptp-net'), []);
  });

  it('the loopback plugin', async () => {
    await setup.configure('10-ptp.conf', {
      cniVersion: '1.0.0',
      name: 'lo-net',
      type: 'ptp',
      ipam: hostLocal('10.215.0.0/24'),
    });
    assert.equal(isLoopbackUp(pid()), false);
    const network = setup.network();
    const request = podRequest('c', { netnsPath, loopbackUp: false });
    await network.setUp(request);
    assert.equal(isLoopbackUp(pid()), true);
    await network.tearDown(detaching(request));
    assert.deepEqual(await setup.records(), []);
  });

  it('are undone when the last of them fails', async () => {
    await setup.installScript('last', '[ "$CNI_COMMAND" = DEL ]');
    await setup.configure('10-pods.conflist', {
      cniVersion: '1.0.0',
      name: 'half',
      plugins: [{ type: 'bridge', bridge: 'cni1', ipam: hostLocal('10.216.0.0/24') }, { type: 'last' }],
    });
    await assert.rejects(setup.network().setUp(podRequest('d', { netnsPath })), /CNI plugin last, ADD/);
    assert.deepEqual(await readPodAddresses(pid()), []);
    assert.deepEqual(await reservedAddresses('half'), []);
    assert.deepEqual(await setup.records(), []);
  });

  it('give a namespace that went away nothing, and take its address back', async () => {
    await setup.configure('10-pods.conf', {
      cniVersion: '1.0.0',
      name: 'gone',
      type: 'bridge',
      bridge: 'cni2',
      ipam: hostLocal('10.217.0.0/24'),
    });
    const network = setup.network();
    await network.setUp(podRequest('e', { netnsPath }));
    assert.equal((await reservedAddresses('gone')).length, 1);
    await network.gc(() => Promise.resolve(new Set()));
    assert.deepEqual(await reservedAddresses('gone'), []);
    assert.deepEqual(await setup.records(), []);
    await network.tearDown(detaching(podRequest('e', { netnsPath })));
  });

  it('attach many pods at a time', async () => {
    await setup.configure('10-pods.conf', {
      cniVersion: '1.0.0',
      name: 'many',
      type: 'bridge',
      bridge: 'cni3',
      isGateway: true,
      ipam: hostLocal('10.218.0.0/24'),
    });
    const network = setup.network();
    const digits = ['1', '2', '3', '4', '5', '6', '7', '8'];
    const pods = await Promise.all(
      digits.map(async (digit) => podRequest(digit, { netnsPath: await namespace.addPod(`many${digit}`) })),
    );
    const results = await Promise.all(pods.map((pod) => network.setUp(pod)));
    assert.equal(new Set(results.flatMap(({ ips }) => ips)).size, 8);
    await Promise.all(pods.map((pod) => network.tearDown(detaching(pod))));
    assert.deepEqual(await reservedAddresses('many'), []);
    assert.deepEqual(await setup.records(), []);
  });
});
