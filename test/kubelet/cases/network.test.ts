import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { containerOf, isReady } from '../support/api.js';
import { cluster, hostPort as hostPortOf } from '../support/cluster.js';
import { converse } from '../support/port-forward.js';
import { RUN_ON, subject } from '../support/pod-case.js';

const listens = (port: number): object => ({ readinessProbe: { tcpSocket: { port }, periodSeconds: 1 } });

subject('network', ({ quick, whole }) => {
  quick('a pod has an address of the plugin, and the node reaches it', async (world) => {
    const pod = await world.ready({ containers: [{ run: 'exec nc -ll -p 7000 -e cat', ...listens(7000) }] });
    const ip = pod.status.podIP ?? '';
    assert.ok(ip.startsWith(cluster.subnet), ip);
    assert.deepEqual(pod.status.podIPs, [{ ip }]);
    assert.equal(pod.status.hostIP, cluster.address);
    assert.equal(await converse(7000, 'hello', ip), 'hello');
  });

  quick('pods reach each other', async (world) => {
    const pod = await world.ready({ containers: [{ run: 'exec nc -ll -p 7000 -e cat', ...listens(7000) }] });
    assert.equal(await world.output(`echo hello | nc ${pod.status.podIP ?? ''} 7000`), 'hello');
  });

  quick('containers of a pod share localhost and the host name', async (world) => {
    const output = await world.output(
      'until echo ask | nc 127.0.0.1 7000 2>/dev/null; do sleep 0.3; done; hostname',
      {
        hostname: 'chosen',
        containers: [{}, { name: 'other', run: 'nc -l -p 7000 -e cat' }],
      },
    );
    assert.equal(output, 'ask\nchosen');
  });

  quick('the address stays over a restart of the container', async (world) => {
    const pod = await world.ready();
    await world.endMain(pod);
    const again = await world.until(
      pod,
      'a ready pod again',
      (now) => isReady(now) && containerOf(now)?.restartCount === 1,
    );
    assert.equal(again.status.podIP, pod.status.podIP);
  });

  quick('host aliases, host name and domain are in /etc/hosts', async (world) => {
    const output = await world.output('cat /etc/hosts; hostname -f', {
      hostname: 'web',
      subdomain: 'sub',
      hostAliases: [{ ip: '192.0.2.77', hostnames: ['alias.example'] }],
    });
    assert.match(output, /192\.0\.2\.77\s+alias\.example/);
    assert.match(output, new RegExp(`web\\.sub\\.${world.namespace}\\.svc\\.cluster\\.local`));
  });

  quick('the resolver is the one of the cluster', async (world) => {
    const output = await world.output('cat /etc/resolv.conf');
    assert.match(output, /nameserver 10\.99\.0\.10/);
    assert.match(
      output,
      new RegExp(`search ${world.namespace}\\.svc\\.cluster\\.local svc\\.cluster\\.local cluster\\.local`),
    );
    assert.match(output, /options ndots:5/);
  });

  quick('the resolver is the one that the pod names', async (world) => {
    const output = await world.output("grep -E '^[a-z]' /etc/resolv.conf | sort", {
      dnsPolicy: 'None',
      dnsConfig: {
        nameservers: ['192.0.2.53'],
        searches: ['example'],
        options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
      },
    });
    // The kubelet merges options by a map: they come in any order.
    assert.match(output, /^nameserver 192\.0\.2\.53\noptions (ndots:2 edns0|edns0 ndots:2)\nsearch example$/);
  });

  whole('the resolver is the one of the node', async (world) => {
    assert.match(
      await world.output('cat /etc/resolv.conf', { dnsPolicy: 'Default' }),
      new RegExp(`nameserver ${cluster.address}`),
    );
  });

  quick('a host port leads to its pod, and closes with it', async (world) => {
    const hostPort = hostPortOf(1);
    const pod = await world.ready({
      containers: [
        { run: 'exec nc -ll -p 7000 -e cat', ports: [{ containerPort: 7000, hostPort }], ...listens(7000) },
      ],
    });
    assert.equal(await converse(hostPort, 'in', cluster.address), 'in');
    await world.delete(pod, 1);
    await world.gone(pod);
    await assert.rejects(converse(hostPort, 'in', cluster.address), /ECONNREFUSED/);
  });

  whole('a host port of one address', async (world) => {
    const hostPort = hostPortOf(2);
    const ports = [{ containerPort: 7000, hostPort, hostIP: cluster.address }];
    await world.ready({ containers: [{ run: 'exec nc -ll -p 7000 -e cat', ports, ...listens(7000) }] });
    assert.equal(await converse(hostPort, 'in', cluster.address), 'in');
    await assert.rejects(converse(hostPort, 'in', '127.0.0.1'), /ECONNREFUSED/);
  });

  whole('two pods with the same host port are not on one node', async (world) => {
    const containers = [{ run: RUN_ON, ports: [{ containerPort: 7000, hostPort: hostPortOf(3) }] }];
    await world.ready({ containers });
    const pod = await world.pod({ containers });
    await world.event(pod, 'FailedScheduling', 'free ports');
  });

  quick('a pod on the network of the node', async (world) => {
    const pod = await world.ready({ hostNetwork: true });
    assert.equal(pod.status.podIP, cluster.address);
    assert.match(await world.exec(pod, 'cat /proc/net/dev'), /eth0|lo/);
    assert.equal(await world.exec(pod, 'hostname'), hostname());
  });

  whole('a pod on the network of the node resolves as the cluster does, if it asks', async (world) => {
    const output = await world.output('cat /etc/resolv.conf', {
      hostNetwork: true,
      dnsPolicy: 'ClusterFirstWithHostNet',
    });
    assert.match(output, /nameserver 10\.99\.0\.10/);
  });

  quick('safe sysctls, and unsafe ones that the node allows', async (world) => {
    const sysctls = [
      { name: 'net.ipv4.ip_local_port_range', value: '20000 30000' },
      { name: 'net.core.somaxconn', value: '321' },
      { name: 'kernel.msgmax', value: '4321' },
    ];
    const output = await world.output(
      'cd /proc/sys; cat net/ipv4/ip_local_port_range net/core/somaxconn kernel/msgmax',
      {
        securityContext: { sysctls },
      },
    );
    assert.equal(output, '20000\t30000\n321\n4321');
  });

  quick('a sysctl that the node does not allow', async (world) => {
    const pod = await world.pod({
      securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syn_retries', value: '3' }] },
    });
    const { status } = await world.until(pod, 'a refusal', ({ status: { phase } }) => phase === 'Failed');
    assert.equal(status.reason, 'SysctlForbidden');
  });

  quick('processes are shared where the pod asks for it', async (world) => {
    const pod = await world.ready({
      shareProcessNamespace: true,
      containers: [{ run: RUN_ON }, { name: 'other', run: 'exec sleep 4321' }],
    });
    assert.match(await world.exec(pod, 'ps'), /pause[^]*sleep 4321/);
  });

  quick('processes are apart otherwise', async (world) => {
    const pod = await world.ready({
      containers: [{ run: RUN_ON }, { name: 'other', run: 'exec sleep 4321' }],
    });
    assert.doesNotMatch(await world.exec(pod, 'ps'), /sleep 4321|pause/);
  });

  whole('the processes of the node', async (world) => {
    assert.match(await world.output('ps | grep -c kube-apiserver', { hostPID: true }), /^[1-9]/);
  });

  whole('IPC is shared by the containers of a pod', async (world) => {
    const output = await world.output(
      'until grep -q [1-9] /tmp/x 2>/dev/null; do ipcs | tail -n +2 >/tmp/x; sleep 0.2; done; wc -l </tmp/x',
      {
        containers: [{}, { name: 'other', run: 'ipcmk -M 1024' }],
      },
    );
    assert.equal(output, '1');
  });

  whole('IPC of the node', async (world) => {
    const namespace = await world.output('readlink /proc/self/ns/ipc', { hostIPC: true });
    assert.equal(namespace, readlinkSync('/proc/self/ns/ipc'));
  });

  whole('/dev/shm is shared by the containers of a pod', async (world) => {
    const output = await world.output('until [ -e /dev/shm/x ]; do sleep 0.1; done; echo seen', {
      containers: [{}, { name: 'other', run: 'touch /dev/shm/x; sleep 5' }],
    });
    assert.equal(output, 'seen');
  });

  whole('the host name is the qualified one where the pod asks for it', async (world) => {
    const output = await world.output('hostname', {
      hostname: 'web',
      subdomain: 'sub',
      setHostnameAsFQDN: true,
    });
    assert.equal(output, `web.sub.${world.namespace}.svc.cluster.local`);
  });
});
