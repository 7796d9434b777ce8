import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Code, hasCode } from '../../../src/util/cri-error.js';
import { deferred } from '../../../src/util/deferred.js';
import { until } from '../../support/until.js';
import { CniSetup, givesAddress, detaching, podRequest } from './cni-setup.js';

const CHAIN = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [{ type: 'first' }, { type: 'second', capabilities: { portMappings: true }, keep: [1] }],
};
const POD = podRequest('a');
const RECORD = `pods-${POD.sandboxId}-eth0`;

function failsWith(code: Code, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(hasCode(error, code), String(error));
    assert.match(error.message, text);
    return true;
  };
}

/** Waits for a file that a plugin writes its pid to. */
async function pidIn(path: string): Promise<number> {
  let pid = 0;
  await until(`a pid in ${path}`, async () => {
    pid = Number(await readFile(path, 'utf8').catch(() => ''));
    return pid > 0;
  });
  return pid;
}

/** Waits until a process is dead, if not yet reaped. */
async function death(pid: number): Promise<void> {
  await until(`process ${pid} to be dead`, async () => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return stat === '' || /\) [ZX] /.test(stat);
  });
}

describe('a chain of plugins', () => {
  let setup: CniSetup;

  beforeEach(async () => {
    setup = await CniSetup.make();
    await setup.configure('10-pods.conflist', CHAIN);
    await setup.installScript('first', givesAddress('10.9.0.1/24'));
    await setup.installScript('second', givesAddress('10.9.0.2/24'));
  });
  afterEach(() => setup.dispose());

  it('is run forward on ADD and backward on DEL, with what the specification says', async () => {
    const network = setup.network();
    const portMappings = [{ protocol: 'tcp' as const, containerPort: 80, hostPort: 8080, hostIp: '' }];
    assert.deepEqual(await network.setUp({ ...POD, portMappings }), { ips: ['10.9.0.2'] });
    assert.deepEqual((await network.recorded(POD.sandboxId))?.ips, ['10.9.0.2']);
    await network.tearDown(detaching({ ...POD, netnsPath: '' }));
    assert.deepEqual((await network.recorded(POD.sandboxId))?.ips, []);
    await network.forget(POD.sandboxId);
    assert.equal(await network.recorded(POD.sandboxId), undefined);

    const calls = await setup.calls();
    assert.deepEqual(await setup.commands(), ['ADD first', 'ADD second', 'DEL second', 'DEL first']);
    const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=${POD.sandboxId};K8S_POD_UID=uid-1`;
    for (const { containerId, ifName, args: told, path } of calls) {
      assert.deepEqual([containerId, ifName, told, path], [POD.sandboxId, 'eth0', args, setup.binDir]);
    }
    assert.deepEqual(
      calls.map(({ netns }) => netns),
      [POD.netnsPath, POD.netnsPath, '', ''],
    );
    const resultOf = (address: string): object => ({ cniVersion: '1.0.0', ips: [{ address }] });
    const common = { cniVersion: '1.0.0', name: 'pods' };
    const runtimeConfig = {
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' }],
    };
    const second = { ...common, ...CHAIN.plugins[1], runtimeConfig };
    assert.deepEqual(
      calls.map(({ input }) => input),
      [
        { ...common, type: 'first' },
        { ...second, prevResult: resultOf('10.9.0.1/24') },
        { ...second, prevResult: resultOf('10.9.0.2/24') },
        { ...common, type: 'first', prevResult: resultOf('10.9.0.2/24') },
      ],
    );
  });

  it('gives plugins the proxies of the server’s environment, and nothing that is told to it alone', async () => {
    Object.assign(process.env, { HTTPS_PROXY: 'http://proxy:3128', NOTIFY_SOCKET: '/run/notify' });
    await setup.installScript('first', `env > ${setup.root}/env; ${givesAddress('10.9.0.1/24')}`);
    await setup.network().setUp(POD);
    delete process.env['HTTPS_PROXY'];
    delete process.env['NOTIFY_SOCKET'];
    const lines = (await readFile(join(setup.root, 'env'), 'utf8')).split('\n');
    assert.ok(lines.includes('HTTPS_PROXY=http://proxy:3128'));
    assert.ok(lines.includes(`PATH=${process.env['PATH']}`));
    assert.equal(
      lines.some((line) => line.startsWith('NOTIFY_SOCKET=')),
      false,
    );
    assert.deepEqual(
      lines
        .map((line) => line.split('=')[0])
        .filter((name) => name?.startsWith('CNI_'))
        .sort(),
      ['CNI_ARGS', 'CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_NETNS', 'CNI_PATH'],
    );
  });

  it('takes a result whose interface has no sandbox', async () => {
    const result = JSON.stringify({
      cniVersion: '1.0.0',
      interfaces: [{ name: 'eth0' }],
      ips: [{ address: '10.9.0.3/24', interface: 0 }],
    });
    await setup.installScript('second', `[ "$CNI_COMMAND" = DEL ] || echo '${result}'`);
    assert.deepEqual(await setup.network().setUp(POD), { ips: ['10.9.0.3'] });
  });

  it('is told the resolver settings by plugins’ wish', async () => {
    const plugins = [{ type: 'first' }, { type: 'second', capabilities: { dns: true } }];
    await setup.configure('10-pods.conflist', { ...CHAIN, plugins });
    const dns = { servers: ['10.96.0.10'], searches: ['svc.cluster.local'], options: ['ndots:5'] };
    const network = setup.network();
    await network.setUp({ ...POD, dns });
    await network.tearDown(detaching(POD));
    assert.deepEqual(
      (await setup.calls()).map(({ input }) => input['runtimeConfig']),
      [undefined, { dns }, { dns }, undefined],
    );
  });

  it('is undone when a plugin fails', async () => {
    const fails = `if [ "$CNI_COMMAND" = ADD ]; then echo '{"code":11,"msg":"no lease","details":"try later"}'; exit 1; fi`;
    await setup.installScript('second', fails);
    const network = setup.network();
    const expected = /CNI plugin second, ADD: no lease; try later \(CNI code 11\)/;
    await assert.rejects(network.setUp(POD), failsWith(Code.UNKNOWN, expected));
    assert.deepEqual(await setup.commands(), ['ADD first', 'ADD second', 'DEL second', 'DEL first']);
    assert.deepEqual(await setup.records(), []);
  });

  const failures: [string, string, RegExp][] = [
    ['prints garbage', 'echo done', /ADD: unusable result: .*JSON/s],
    ['prints nothing', 'exit 0', /ADD: unusable result/],
    ['fails with words on stderr', 'echo oops >&2; exit 3', /ADD: exited with 3: oops/],
    ['fails without a word', 'exit 3', /ADD: exited with 3 without a word/],
    ['is killed', 'kill -9 $$', /ADD: was killed by a signal/],
    ['prints without end', 'exec cat /dev/zero', /ADD: printed more than 1048576 bytes/],
    ['gives no address', 'echo "{}"', /CNI network pods gave the pod no address/],
  ];
  for (const [what, body, expected] of failures) {
    it(`is undone when a plugin ${what}`, async () => {
      await setup.installScript('second', `if [ "$CNI_COMMAND" = ADD ]; then ${body}; fi`);
      await assert.rejects(setup.network().setUp(POD), failsWith(Code.UNKNOWN, expected));
      assert.deepEqual((await setup.commands()).slice(2), ['DEL second', 'DEL first']);
      assert.deepEqual(await setup.records(), []);
    });
  }

  it('is killed with its children and undone when it hangs', async () => {
    const hang = `sleep 300 & echo $! > ${setup.root}/pid; wait`;
    await setup.installScript('second', `if [ "$CNI_COMMAND" = ADD ]; then ${hang}; fi`);
    const network = setup.network({ pluginTimeoutMs: 6_000 });
    const expected = /CNI plugin second, ADD: attaching sandbox a+ .* did not finish within 6 s/;
    await assert.rejects(network.setUp(POD), failsWith(Code.DEADLINE_EXCEEDED, expected));
    await death(await pidIn(join(setup.root, 'pid')));
    assert.deepEqual((await setup.commands()).slice(2), ['DEL second', 'DEL first']);
    assert.deepEqual(await setup.records(), []);
  });

  it('is killed and undone when the caller gives up', async () => {
    const hang = `echo $$ > ${setup.root}/pid; exec sleep 300`;
    await setup.installScript('second', `if [ "$CNI_COMMAND" = ADD ]; then ${hang}; fi`);
    const controller = new AbortController();
    const attaching = setup.network().setUp(POD, controller.signal);
    const pid = await pidIn(join(setup.root, 'pid'));
    controller.abort(new Error('the caller went away'));
    await assert.rejects(attaching, failsWith(Code.CANCELLED, /the caller went away/));
    await death(pid);
    assert.deepEqual(await setup.records(), []);
  });

  it('does not wait for a process that left the group with the output open', async () => {
    const leave = `setsid sh -c 'echo $$ > ${setup.root}/pid; exec sleep 300' &`;
    await setup.installScript('first', `if [ "$CNI_COMMAND" = ADD ]; then ${leave} fi`);
    const network = setup.network({ pluginTimeoutMs: 6_000 });
    try {
      await assert.rejects(network.setUp(POD), failsWith(Code.DEADLINE_EXCEEDED, /did not finish within/));
    } finally {
      process.kill(await pidIn(join(setup.root, 'pid')), 'SIGKILL');
    }
  });

  it('goes by what was prepared before the pod had a namespace', async () => {
    const network = setup.network();
    await network.prepare(POD);
    assert.deepEqual(await setup.calls(), []);
    assert.deepEqual(await setup.records(), [RECORD]);
    assert.deepEqual((await network.recorded(POD.sandboxId))?.ips, []);
    await setup.configure('00-other.conf', { cniVersion: '1.0.0', name: 'other', type: 'other' });
    await network.setUp(POD);
    assert.deepEqual(
      (await setup.calls()).map(({ command, netns }) => [command, netns]),
      [
        ['ADD', POD.netnsPath],
        ['ADD', POD.netnsPath],
      ],
    );
    assert.deepEqual((await setup.network().recorded(POD.sandboxId))?.netnsPath, POD.netnsPath);
  });

  it('of a namespace without a process is recorded by the path that leads to it later', async () => {
    const interfaces = [{ name: 'veth1' }, { name: 'eth0', sandbox: '/proc/7/fd/9' }];
    const ips = [{ address: '10.9.0.3/24', interface: 1 }];
    const result = JSON.stringify({ cniVersion: '1.0.0', interfaces, ips });
    await setup.installScript('second', `if [ "$CNI_COMMAND" = ADD ]; then echo '${result}'; fi`);
    const network = setup.network();
    const later = deferred();
    const ahead = {
      ...POD,
      netnsPath: '/proc/7/fd/9',
      lastingNetnsPath: () => later.promise.then(() => POD.netnsPath),
    };
    const attaching = network.setUp(ahead);
    await until('both plugins to run', async () => (await setup.calls()).length >= 2);
    assert.deepEqual((await network.recorded(POD.sandboxId))?.ips, []);
    later.resolve();
    await attaching;
    assert.deepEqual(await network.recorded(POD.sandboxId), { ips: ['10.9.0.3'], netnsPath: POD.netnsPath });
    await setup.forgetCalls();
    await setup.network().check(POD.sandboxId, POD.netnsPath);
    for (const { netns, input } of await setup.calls()) {
      assert.equal(netns, POD.netnsPath);
      assert.deepEqual(input['prevResult'], {
        cniVersion: '1.0.0',
        interfaces: [{ name: 'veth1' }, { name: 'eth0', sandbox: POD.netnsPath }],
        ips,
      });
    }
  });

  it('of a namespace without a process is undone when the pod does not start', async () => {
    const network = setup.network();
    const lastingNetnsPath = () => Promise.reject(new Error('it did not start'));
    await assert.rejects(network.setUp({ ...POD, lastingNetnsPath }), /it did not start/);
    assert.deepEqual(await setup.commands(), ['ADD first', 'ADD second', 'DEL second', 'DEL first']);
    assert.deepEqual((await network.recorded(POD.sandboxId))?.ips, []);
  });

  it('is undone for a pod that was prepared and has not started', async () => {
    await setup.network().prepare(POD);
    const network = setup.network(); // after a crash
    await network.tearDown(detaching({ ...POD, netnsPath: '' }));
    assert.deepEqual(await setup.commands(), ['DEL second', 'DEL first']);
    assert.deepEqual(await setup.records(), []);
    await network.setUp(POD);
    assert.deepEqual(await setup.records(), [RECORD]);
  });

  it('waits for a binary that is being replaced', async () => {
    const file = await open(join(setup.binDir, 'first'), 'r+');
    const attaching = setup.network().setUp(POD);
    let isReplaced = false;
    setTimeout(() => {
      isReplaced = true;
      void file.close();
    }, 500);
    assert.deepEqual(await attaching, { ips: ['10.9.0.2'] });
    assert.ok(isReplaced);
  });

  it('leaves a record of what to undo when the server is killed between two plugins', async () => {
    await setup.installScript(
      'second',
      `[ "$CNI_COMMAND" = DEL ] || { echo $$ > ${setup.root}/pid; exec sleep 300; }`,
    );
    const script = fileURLToPath(new URL('crashing-node.js', import.meta.url));
    const server = spawn(process.execPath, [script, setup.confDir, setup.binDir, setup.cacheDir]);
    const exited = once(server, 'exit');
    const pluginPid = await pidIn(join(setup.root, 'pid'));
    server.kill('SIGKILL');
    await exited;
    process.kill(pluginPid, 'SIGKILL');
    assert.deepEqual(await setup.records(), [RECORD]);

    await rm(setup.confDir, { recursive: true });
    const network = setup.network();
    assert.deepEqual((await network.recorded(POD.sandboxId))?.ips, []);
    await network.tearDown(detaching(POD));
    assert.deepEqual(await setup.commands(), ['ADD first', 'ADD second', 'DEL second', 'DEL first']);
    assert.deepEqual(await setup.records(), []);
  });

  it('is undone first when a sandbox is attached once more', async () => {
    const network = setup.network();
    await network.setUp(POD);
    await setup.forgetCalls();
    await network.setUp(POD);
    assert.deepEqual(await setup.commands(), ['DEL second', 'DEL first', 'ADD first', 'ADD second']);
    assert.deepEqual(await setup.records(), [RECORD]);
  });

  it('brings the loopback interface up where it is down', async () => {
    await setup.installScript('loopback', givesAddress('127.0.0.1/8'));
    await setup.network().setUp({ ...POD, loopbackUp: false });
    const [loopback] = await setup.calls();
    assert.deepEqual(
      [loopback?.plugin, loopback?.ifName, loopback?.input['name']],
      ['loopback', 'lo', 'cni-loopback'],
    );
    assert.deepEqual(await setup.records(), [RECORD]);
  });

  it('refuses names that would add CNI arguments', async () => {
    const network = setup.network();
    const refused = network.setUp({ ...POD, podName: 'x;K8S_POD_NAMESPACE=kube-system' });
    await assert.rejects(refused, failsWith(Code.INVALID_ARGUMENT, /config\.metadata\.name/));
    await assert.rejects(
      network.setUp({ ...POD, sandboxId: '../x' }),
      failsWith(Code.INVALID_ARGUMENT, /sandbox_id/),
    );
    assert.deepEqual(await setup.calls(), []);
  });

  it('is checked as it was attached', async () => {
    const network = setup.network();
    await assert.rejects(
      network.check(POD.sandboxId, POD.netnsPath),
      failsWith(Code.NOT_FOUND, /not attached/),
    );
    await network.setUp(POD);
    await setup.forgetCalls();
    await network.check(POD.sandboxId, POD.netnsPath);
    assert.deepEqual(await setup.commands(), ['CHECK first', 'CHECK second']);
    assert.deepEqual((await setup.calls())[0]?.input['prevResult'], {
      cniVersion: '1.0.0',
      ips: [{ address: '10.9.0.2/24' }],
    });
  });

  it('is not run twice at a time for one sandbox', async () => {
    const log = join(setup.root, 'order');
    for (const plugin of ['first', 'second']) {
      const note = (what: string): string => `echo ${what} >> ${log}`;
      await setup.installScript(
        plugin,
        `${note('begin')}; sleep 0.05; ${note('end')}; ${givesAddress('10.9.0.1/24')}`,
      );
    }
    const network = setup.network();
    await Promise.all([
      network.setUp(POD),
      network.tearDown(detaching(POD)),
      network.setUp(POD),
      network.tearDown(detaching(POD)),
    ]);
    const order = (await readFile(log, 'utf8')).trim().split('\n');
    assert.deepEqual(order, Array.from({ length: 8 }, () => ['begin', 'end']).flat());
    assert.deepEqual(await setup.records(), []);
  });
});

describe('detaching', () => {
  let setup: CniSetup;

  beforeEach(async () => {
    setup = await CniSetup.make();
    await setup.configure('10-pods.conflist', CHAIN);
    await setup.installScript('first', givesAddress('10.9.0.1/24'));
    await setup.installScript('second', givesAddress('10.9.0.2/24'));
  });
  afterEach(() => setup.dispose());

  it('uses the configuration that the pod was attached with', async () => {
    const network = setup.network({ podCidr: '10.9.0.0/24' });
    await network.setUp(POD);
    await setup.installScript('other', '');
    await setup.configure('00-other.conf', { cniVersion: '1.0.0', name: 'other', type: 'other' });
    await setup.forgetCalls();
    await network.tearDown(detaching(POD));
    assert.deepEqual(await setup.commands(), ['DEL second', 'DEL first']);
    assert.deepEqual(await setup.records(), []);
  });

  for (const attached of [true, false]) {
    it(`happens once${attached ? '' : ' for a pod of which nothing is recorded'}, also after a restart`, async () => {
      if (attached) await setup.network().setUp(POD);
      await setup.forgetCalls();
      await setup.network().tearDown(detaching(POD));
      // The network's API is down, or the plugins are gone: a pod that is detached does not notice.
      for (const plugin of ['first', 'second']) await setup.installScript(plugin, 'exit 1');
      const restarted = setup.network();
      await restarted.tearDown(detaching({ ...POD, netnsPath: '' }));
      assert.deepEqual((await restarted.recorded(POD.sandboxId))?.ips, []);
      assert.deepEqual(await setup.commands(), ['DEL second', 'DEL first']);
      await restarted.forget(POD.sandboxId);
      assert.deepEqual(await readdir(join(setup.cacheDir, 'detached')), []);
    });
  }

  it('happens again for a pod that was attached once more', async () => {
    const network = setup.network();
    await network.setUp(POD);
    await network.tearDown(detaching(POD));
    await network.setUp(POD);
    await rm(join(setup.cacheDir, 'results', RECORD)); // lost
    await setup.forgetCalls();
    await network.tearDown(detaching(POD));
    assert.deepEqual(await setup.commands(), ['DEL second', 'DEL first']);
  });

  it('uses the configuration of now for a pod of which nothing is recorded', async () => {
    await setup
      .network()
      .tearDown(detaching({ ...POD, annotations: { 'kubernetes.io/ingress-bandwidth': 'malformed' } }));
    assert.deepEqual(await setup.commands(), ['DEL second', 'DEL first']);
    assert.equal((await setup.calls())[0]?.input['prevResult'], undefined);
  });

  it('does nothing where nothing is known', async () => {
    await rm(setup.confDir, { recursive: true });
    await setup.network().tearDown(detaching(POD));
    assert.deepEqual(await setup.calls(), []);
  });

  it('goes on with the configuration of now when the record is found corrupt after a restart', async () => {
    await setup.network().setUp(POD);
    const path = join(setup.cacheDir, 'results', RECORD);
    await writeFile(path, '{"kind":"cniCacheV1","conta');
    await setup.forgetCalls();
    await setup.network().tearDown(detaching(POD));
    assert.deepEqual(await setup.commands(), ['DEL second', 'DEL first']);
    assert.deepEqual(await setup.records(), [`${RECORD}.corrupt-1`]);
    assert.ok(setup.logged.some(({ level, fields }) => level === 'warn' && fields['path'] === path));
  });

  it('fails and keeps the record when a plugin is gone, until it is back', async () => {
    const network = setup.network();
    await network.setUp(POD);
    await rm(join(setup.binDir, 'first'));
    const expected = new RegExp(`CNI plugin first, DEL: not installed in ${setup.binDir}`);
    await assert.rejects(network.tearDown(detaching(POD)), failsWith(Code.UNKNOWN, expected));
    assert.deepEqual(await setup.records(), [RECORD]);
    await setup.installScript('first', '');
    await network.tearDown(detaching(POD));
    assert.deepEqual(await setup.records(), []);
  });

  it('stops at the first failure and keeps the record', async () => {
    const network = setup.network();
    await network.setUp(POD);
    await setup.installScript('second', 'echo "busy" >&2; exit 1');
    await assert.rejects(
      network.tearDown(detaching(POD)),
      failsWith(Code.UNKNOWN, /CNI plugin second, DEL: exited with 1: busy/),
    );
    assert.equal((await setup.commands()).includes('DEL first'), false);
    assert.deepEqual(await setup.records(), [RECORD]);
  });

  it('passes no result to plugins before 0.4.0', async () => {
    await setup.configure('10-pods.conflist', { ...CHAIN, cniVersion: '0.3.1' });
    const network = setup.network();
    await network.setUp(POD);
    await setup.forgetCalls();
    await network.tearDown(detaching(POD));
    assert.deepEqual(
      (await setup.calls()).map(({ input }) => input['prevResult']),
      [undefined, undefined],
    );
  });
});
