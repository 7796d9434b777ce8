import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DockerodeEngine } from '../../src/docker/dockerode-engine.js';
import { Code } from '../../src/util/cri-error.js';
import { silentLogger } from '../../src/util/log.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../support/cridock-process.js';
import { makeImage } from '../support/images.js';
import { containerConfig, podConfig, RUN_ON } from '../support/pods.js';
import { makePod, removePod, type MadePod } from '../support/pod-worker.js';
import { until } from '../support/until.js';

const MIB = 1024 * 1024;
const NOBODY = 65_534;
const IMAGE = 'busybox:latest';

/** The attacks of docs/security.md that need a real node; the others are tested where the code is. */
describe('attacks on a node', { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  let cridock: CridockProcess;
  let pod: MadePod;

  before(async () => {
    cridock = await startCridock(); // at level debug
    const spec = { name: 'attacked', image: IMAGE, directory: cridock.directory, containers: 1 };
    pod = await makePod(cridock.client, spec);
  });
  after(async () => {
    await removePod(cridock.client, pod);
    await cridock.stop();
    engine.close();
  });

  /** Makes a container in the pod, runs `work` and removes it. */
  async function withContainer(
    name: string,
    command: string,
    work: (id: string) => Promise<void>,
  ): Promise<void> {
    const { runtime } = cridock.client;
    const { container_id: id } = await runtime.CreateContainer({
      pod_sandbox_id: pod.sandboxId,
      config: containerConfig(name, IMAGE, command),
      sandbox_config: podConfig('attacked', cridock.directory),
    });
    try {
      await work(id);
    } finally {
      await runtime.StopContainer({ container_id: id, timeout: 0 });
      await runtime.RemoveContainer({ container_id: id });
    }
  }
  const logPath = (container: string): string =>
    path.join(cridock.directory, 'logs', 'attacked', container, '0.log');
  const hasLogProblem = async (id: string): Promise<boolean> => {
    const { info } = await cridock.client.runtime.ContainerStatus({ container_id: id, verbose: true });
    return info['info']?.includes('logProblem') === true;
  };
  const rssMib = (): number => {
    const status = readFileSync(`/proc/${cridock.pid}/status`, 'utf8');
    return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024) / MIB;
  };

  it('lets nobody but root and the group docker connect to the socket', () => {
    chmodSync(cridock.directory, 0o755);
    assert.equal(statSync(cridock.socketPath).mode & 0o777, 0o660);
    const script = `require('node:net').connect(${JSON.stringify(cridock.socketPath)}).on('error', ({ code }) => console.log(code))`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], {
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
    });
    assert.equal(stdout.trim(), 'EACCES');
  });

  it('listens on loopback only, and opens no debugger at SIGUSR1', async () => {
    process.kill(cridock.pid, 'SIGUSR1');
    await until('the signal', () => cridock.log().includes('SIGUSR1 is ignored'));
    assert.deepEqual(
      listeningAddresses(cridock.pid).map((address) => address.split(':')[0]),
      ['0100007F'], // 127.0.0.1, for exec, attach and port-forward
    );
  });

  it('writes through no symbolic link that stands for a log or its folder', async () => {
    const victim = path.join(cridock.directory, 'victim');
    mkdirSync(victim);
    const target = path.join(victim, '0.log');
    mkdirSync(path.dirname(logPath('planted')), { recursive: true });
    symlinkSync(target, logPath('planted'));
    symlinkSync(victim, path.dirname(logPath('led-away')));
    for (const name of ['planted', 'led-away']) {
      await withContainer(name, `while :; do echo ${name}; sleep 0.1; done`, async (id) => {
        await cridock.client.runtime.StartContainer({ container_id: id });
        await until('the report', () => hasLogProblem(id));
      });
    }
    await withContainer('exchanged', `while :; do echo exchanged; sleep 0.1; done`, async (id) => {
      await cridock.client.runtime.StartContainer({ container_id: id });
      const log = logPath('exchanged');
      await until('the log', () => existsSync(log) && statSync(log).size > 0);
      renameSync(log, `${log}.1`);
      symlinkSync(target, log);
      const reopened = cridock.client.runtime.ReopenContainerLog({ container_id: id });
      await assert.rejects(reopened, /cannot reopen the log/);
    });
    assert.deepEqual(readdirSync(victim), []);
  });

  it('keeps passwords and environment variables out of its log, also at level debug', async () => {
    const secret = `secret-${randomBytes(8).toString('hex')}`;
    const image = { image: '127.0.0.1:1/nothing:here', annotations: {} };
    const auth = { username: 'user', password: secret, registry_token: secret, identity_token: secret };
    await assert.rejects(cridock.client.image.PullImage({ image, auth }));
    const basic = Buffer.from(`user:${secret}`).toString('base64');
    await assert.rejects(cridock.client.image.PullImage({ image, auth: { auth: basic } }));
    const config = containerConfig('secretive', IMAGE, RUN_ON, {
      envs: [{ key: 'PASSWORD', value: Buffer.from(secret) }],
    });
    const { container_id: id } = await cridock.client.runtime.CreateContainer({
      pod_sandbox_id: pod.sandboxId,
      config,
      sandbox_config: podConfig('attacked', cridock.directory),
    });
    await cridock.client.runtime.RemoveContainer({ container_id: id });
    const log = cridock.log();
    assert.ok(log.includes('msg="request"') || log.includes('msg=request'), 'requests are logged');
    for (const text of [secret, basic, Buffer.from(secret).toString('base64')])
      assert.ok(!log.includes(text), text);
  });

  it('serves others while a container floods its log and probes flood their output', async (t) => {
    const beforeMib = rssMib();
    await withContainer('flood', 'yes 0123456789012345678901234567890123456789', async (id) => {
      await cridock.client.runtime.StartContainer({ container_id: id });
      const exec = cridock.client.runtime.ExecSync({
        container_id: pod.containerIds[0] ?? '',
        cmd: ['sh', '-c', 'yes | head -c 50000000'],
        timeout: 60,
      });
      let slowestMs = 0;
      const beganMs = performance.now();
      const done = new AbortController();
      void exec.finally(() => done.abort()).catch(() => undefined);
      while (!done.signal.aborted) {
        const startedAtMs = performance.now();
        await cridock.client.runtime.Version({});
        slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
      }
      const floodMs = performance.now() - beganMs;
      // Cut, so that the reply with its frame is what the kubelet, and this client, take: 16 MiB.
      const { stdout } = await exec;
      assert.ok(stdout.length > 16 * MIB - 1024 && stdout.length < 16 * MIB, String(stdout.length));
      t.diagnostic(
        `Version ${slowestMs.toFixed(0)} ms at most; RSS ${beforeMib.toFixed(0)}, then ${rssMib().toFixed(0)} MiB`,
      );
      // A busy machine makes all of it slow, not one call out of many.
      assert.ok(slowestMs < Math.max(1_000, floodMs / 4), `${slowestMs} of ${floodMs} ms`);
    });
    assert.ok(rssMib() < beforeMib + 256);
  });

  it('reads no account file of any size out of an image', async () => {
    const name = `cridock-attack:${process.pid}`;
    const files = { 'etc/passwd': `${'x'.repeat(5 * MIB)}\nwho:x:1:1::/:/bin/sh\n` };
    await makeImage(testDockerEndpoint.replace(/^unix:\/\//, ''), name, {}, files);
    try {
      const config = containerConfig('huge-passwd', name, RUN_ON);
      Object.assign(config.linux?.security_context ?? {}, { run_as_username: 'who' });
      const request = {
        pod_sandbox_id: pod.sandboxId,
        config,
        sandbox_config: podConfig('attacked', cridock.directory),
      };
      await assert.rejects(cridock.client.runtime.CreateContainer(request), {
        code: Code.FAILED_PRECONDITION,
        message: /passwd is longer than/,
      });
    } finally {
      await engine.removeImage(name);
    }
  });

  it('refuses programs whose names would keep the OCI runtime writing for ever', async () => {
    const program = 'p'.repeat(70_000); // more than a pipe holds
    const refused = { code: Code.INVALID_ARGUMENT, message: /longer than/ };
    const { runtime } = cridock.client;
    const exec = { container_id: pod.containerIds[0] ?? '', cmd: [program], stdout: true };
    await assert.rejects(runtime.ExecSync({ ...exec, timeout: 5 }), refused);
    await assert.rejects(runtime.Exec(exec), refused);
    for (const change of [{ command: [program] }, { args: [program] }]) {
      const config = { ...containerConfig('endless', IMAGE, ''), command: [], ...change };
      const sandbox_config = podConfig('attacked', cridock.directory);
      await assert.rejects(
        runtime.CreateContainer({ pod_sandbox_id: pod.sandboxId, config, sandbox_config }),
        refused,
      );
    }
  });

  it('refuses names, environments and commands that nobody could have, or passes them on', async () => {
    const { runtime, image } = cridock.client;
    const refused = { code: Code.INVALID_ARGUMENT };
    await assert.rejects(image.ImageStatus({ image: { image: 'a'.repeat(MIB) } }), refused);
    const dashed = podConfig('x', cridock.directory, {
      metadata: { name: 'a;IP=10.1.2.3', namespace: 'cridock-test', uid: 'u', attempt: 0 },
    });
    await assert.rejects(runtime.RunPodSandbox({ config: dashed }), refused);
    const envs = Array.from({ length: 20_000 }, (_, index) => ({
      key: `V${index}`,
      value: Buffer.alloc(100, 'x'),
    }));
    const { container_id: id } = await runtime.CreateContainer({
      pod_sandbox_id: pod.sandboxId,
      config: containerConfig('huge-env', IMAGE, RUN_ON, { envs }),
      sandbox_config: podConfig('attacked', cridock.directory),
    });
    // Whether the kernel takes 2 MB of environment is its own matter.
    await runtime.StartContainer({ container_id: id }).catch(() => undefined);
    await runtime.Version({}, { timeoutMs: 10_000 });
    await runtime.StopContainer({ container_id: id, timeout: 0 });
    await runtime.RemoveContainer({ container_id: id });
  });
});

/** The addresses of the TCP sockets that a process listens on, as the kernel writes them. */
function listeningAddresses(pid: number): string[] {
  const LISTEN = '0A';
  const inodes = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return []; // closed meanwhile
    }
  });
  return ['tcp', 'tcp6'].flatMap((table) =>
    execFileSync('cat', [`/proc/${pid}/net/${table}`], { encoding: 'utf8' })
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === LISTEN && inodes.includes(inode ?? ''))
      .map(([, address = '']) => address),
  );
}
