import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { connectCri } from '../support/cri-client.js';
import { noEngine, testDockerEndpoint } from '../support/cridock-process.js';
import { ROOT, buildPackage } from '../support/debian-node.js';
import { containerConfig, podConfig } from '../support/pods.js';
import { until } from '../support/until.js';

const ENGINE_SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
/** Emulated programs take their time. */
const PATIENCE = { timeoutMs: 120_000 };

interface EmulatedDebian {
  readonly root: string;
  readonly on: (...command: string[]) => string;
  /** A process that ends with the test. */
  readonly start: (...command: string[]) => void;
}

/** A Debian for arm64, whose programs qemu-user runs; with the Engine's socket, and the host's processes and cgroups. */
function emulatedDebian(t: TestContext): EmulatedDebian {
  const work = mkdtempSync(path.join(tmpdir(), 'cridock-arm64-'));
  const root = path.join(work, 'root');
  const env = { PATH: process.env['PATH'] };
  const undo: (() => unknown)[] = [() => rmSync(work, { recursive: true })];
  // What was done last is undone first.
  t.after(async () => {
    for (const step of undo.reverse()) await step();
  });
  execFileSync(path.join(ROOT, 'test/support/debian-root.sh'), ['make', root], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CRIDOCK_NODE_SYSTEM: 'arm64' },
  });
  writeFileSync(path.join(root, 'run/docker.sock'), '');
  for (const [source, place] of [
    ['/proc', 'proc'],
    ['/sys', 'sys'],
    [ENGINE_SOCKET, 'run/docker.sock'],
  ] as const) {
    const target = path.join(root, place);
    execFileSync('mount', ['--rbind', source, target]);
    execFileSync('mount', ['--make-rslave', target]);
    undo.push(() => execFileSync('umount', ['--recursive', '--lazy', target]));
  }
  return {
    root,
    on: (...command) => execFileSync('chroot', [root, ...command], { encoding: 'utf8', env }),
    start: (...command) => {
      const child = spawn('chroot', [root, ...command], { stdio: ['ignore', 'ignore', 'inherit'], env });
      const ended = once(child, 'exit');
      undo.push(() => child.kill() && ended);
    },
  };
}

describe('the package for arm64', { skip: noEngine }, () => {
  it('installs, serves, runs a pod and is purged, under emulation', { timeout: 300_000 }, async (t) => {
    execFileSync(path.join(ROOT, 'deploy/package/compilers.sh'), { stdio: ['ignore', 'ignore', 'inherit'] });
    const { root, on, start } = emulatedDebian(t);
    copyFileSync(buildPackage('1', 'deb', 'arm64'), path.join(root, 'root/cridock.deb'));
    on('dpkg', '-i', '/root/cridock.deb');
    assert.match(on('cridock', '--version'), /^cridock \d+\.\d+\.\d+/);
    assert.equal(on('dpkg', '--print-architecture').trim(), 'arm64');

    const args = ['--container-runtime-endpoint', 'unix:///run/cri-dockerd.sock', '--network-plugin', ''];
    start('cridock', ...args);
    const socket = path.join(root, 'run/cri-dockerd.sock');
    await until('the socket', () => existsSync(socket), 120_000);
    const client = connectCri(socket);
    assert.equal((await client.runtime.Version({ version: 'v1' }, PATIENCE)).runtime_name, 'docker');
    assert.deepEqual((await client.runtime.ListPodSandbox({}, PATIENCE)).items, []);
    const { images } = await client.image.ListImages({}, PATIENCE);
    assert.ok(images.some(({ repo_tags: tags }) => tags.some((tag) => tag.endsWith('busybox:latest'))));

    const sandbox = podConfig('emulated', path.join(root, 'var/log/pods'));
    const { pod_sandbox_id: pod } = await client.runtime.RunPodSandbox({ config: sandbox }, PATIENCE);
    const config = containerConfig('c', 'busybox:latest', 'while :; do sleep 1; done');
    const { container_id: container } = await client.runtime.CreateContainer(
      { pod_sandbox_id: pod, config, sandbox_config: sandbox },
      PATIENCE,
    );
    await client.runtime.StartContainer({ container_id: container }, PATIENCE);
    const { stdout } = await client.runtime.ExecSync(
      { container_id: container, cmd: ['echo', 'from afar'] },
      PATIENCE,
    );
    assert.equal(stdout.toString(), 'from afar\n');
    assert.equal((await client.runtime.ListContainerStats({}, PATIENCE)).stats.length, 1);
    await client.runtime.RemovePodSandbox({ pod_sandbox_id: pod }, PATIENCE);
    client.close();
    on('dpkg', '--purge', 'cridock');
    assert.ok(!existsSync(path.join(root, 'usr/bin/cridock')));
  });
});
