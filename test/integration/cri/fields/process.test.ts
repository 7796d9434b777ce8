import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Signal } from '../../../../src/gen/runtime/v1/Signal.js';
import { noEngine, testDockerEndpoint } from '../../../support/cridock-process.js';
import { makeImage } from '../../../support/images.js';
import { containerConfig, podConfig } from '../../../support/pods.js';
import { cgroupValue, environmentOf, statusOf } from '../../../support/process-truth.js';
import { openRemote } from '../../../support/remote-command.js';
import { refusal, TestNode, type TestPod } from '../../../support/test-node.js';
import { until } from '../../../support/until.js';

const IMAGE = 'cridock.test/process:latest';

describe('the process of a container', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;

  before(async () => {
    node = await TestNode.start();
    const instructions = {
      ENTRYPOINT: '["/bin/sleep"]',
      CMD: '["3600"]',
      WORKDIR: '/tmp',
      // Older Engines do not take it for an import.
      ...(node.engine.supports('1.42') && { STOPSIGNAL: 'SIGUSR1' }),
    };
    await makeImage(testDockerEndpoint.replace(/^unix:\/\//, ''), IMAGE, instructions, {});
    pod = await node.pod({ hostname: 'the-host', annotations: { 'a/b': 'ä "x"', 'io.kubernetes.x': '' } });
  });
  after(async () => {
    await node.close();
  });
  const commandLine = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);

  it("command and args: the image's own, each replaced", async () => {
    const image = { image: IMAGE };
    const plain = await node.start(pod, { image, command: [] });
    assert.deepEqual(commandLine(plain.pid), ['/bin/sleep', '3600']);
    const args = await node.start(pod, { image, command: [], args: ['1800'] });
    assert.deepEqual(commandLine(args.pid), ['/bin/sleep', '1800']);
    const both = await node.start(pod, { image, command: ['sleep'], args: ['900', '1'] });
    assert.deepEqual(commandLine(both.pid), ['sleep', '900', '1']);
  });

  it("working_dir: the image's own, or replaced", async () => {
    const image = { image: IMAGE };
    assert.equal(readlinkSync(`/proc/${(await node.start(pod, { image })).pid}/cwd`), '/tmp');
    const { pid } = await node.start(pod, { image, working_dir: '/etc' });
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/etc');
    const relative = await refusal(node.create(pod, { working_dir: 'etc' }));
    assert.equal(relative.code, 'INVALID_ARGUMENT');
  });

  it('envs: order, later wins, any UTF-8; other bytes are refused', async () => {
    const envs = [
      { key: 'A', value: Buffer.from('1') },
      { key: 'B', value: Buffer.from('two words = ü\n') },
      { key: 'A', value: Buffer.from('3') },
      { key: 'EMPTY', value: Buffer.alloc(0) },
    ];
    const environment = environmentOf((await node.start(pod, { envs })).pid);
    assert.deepEqual(
      environment.filter((entry) => /^(A|B|EMPTY)=/.test(entry)),
      ['A=3', 'B=two words = ü\n', 'EMPTY='],
    );
    const bytes = await refusal(node.create(pod, { envs: [{ key: 'A', value: Buffer.from([0xff]) }] }));
    assert.equal(bytes.code, 'INVALID_ARGUMENT');
    assert.match(bytes.text, /envs\[0\]/);
  });

  it('tty and stdin', async () => {
    const stdin = async (changes: object) =>
      readlinkSync(`/proc/${(await node.start(pod, changes)).pid}/fd/0`);
    assert.equal(await stdin({}), '/dev/null');
    assert.match(await stdin({ stdin: true }), /^pipe:/);
    assert.match(await stdin({ tty: true, stdin: true }), /^\/dev\/pts\//);
  });

  for (const stdin_once of [true, false]) {
    it(`stdin_once ${stdin_once}: stdin ${stdin_once ? 'ends' : 'stays'} with the first who attaches`, async () => {
      const command = ['sh', '-c', 'cat >/read; echo end >>/read; sleep 60'];
      const { id, pid } = await node.start(pod, { command, stdin: true, stdin_once });
      const read = () => readFileSync(`/proc/${pid}/root/read`, 'utf8');
      const type = async (text: string) => {
        const request = { container_id: id, stdin: true, stdout: true, stderr: true, tty: false };
        const { client, stdin } = await openRemote((await node.runtime.Attach(request)).url, { stdin: true });
        await stdin?.write(Buffer.from(text));
        await until('it is read', () => read().includes(text));
        await stdin?.end();
        client.socket.destroy();
      };
      await type('first\n');
      if (stdin_once) {
        await until('the end', () => read() === 'first\nend\n');
        return;
      }
      await type('second\n');
      assert.equal(read(), 'first\nsecond\n');
    });
  }

  it('the requests: pod_sandbox_id and container_id name what the node runs', async () => {
    const config = podConfig('requests', node.cridock.directory, {});
    const { pod_sandbox_id } = await node.runtime.RunPodSandbox({ config });
    const elsewhere = { ...config, log_directory: `${node.cridock.directory}/elsewhere` };
    const container = containerConfig('c', node.image, 'echo to the log; sleep 60', {
      linux: { resources: { cpu_shares: 77 }, security_context: { no_new_privs: true } },
    });
    const request = { pod_sandbox_id, config: container, sandbox_config: elsewhere };
    const { container_id } = await node.runtime.CreateContainer(request);
    await node.runtime.StartContainer({ container_id });
    const { status, info } = await node.runtime.ContainerStatus({ container_id, verbose: true });
    const { pid, sandboxID } = JSON.parse(info['info'] ?? '') as { pid: number; sandboxID: string };
    assert.ok(readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(container_id));
    assert.equal(sandboxID, pod_sandbox_id);
    assert.equal(cgroupValue(pid, 'cpu.shares'), '77');
    assert.equal(statusOf(pid).get('NoNewPrivs'), '1');
    const logPath = `${elsewhere.log_directory}/c/0.log`;
    assert.equal(status?.log_path, logPath);
    await until('the log', () => /stdout F to the log\n$/.test(readFileSync(logPath, 'utf8')));
    const { items } = await node.runtime.ListPodSandbox({ filter: { id: pod_sandbox_id } });
    assert.deepEqual(items[0]?.metadata, {
      name: 'requests',
      uid: 'uid-requests',
      namespace: 'cridock-test',
      attempt: 0,
    });
    await node.runtime.RemovePodSandbox({ pod_sandbox_id });
    assert.throws(() => readFileSync(`/proc/${pid}/cgroup`));
    assert.deepEqual((await node.runtime.ListPodSandbox({ filter: { id: pod_sandbox_id } })).items, []);
  });

  it("stop_signal: the request's, the image's, the default", async () => {
    const trap = `trap 'exit 42' USR2; touch /trapped; while :; do sleep 1 & wait $!; done`;
    const { id, pid } = await node.start(pod, { run: trap, stop_signal: Signal.SIGNAL_SIGUSR2 });
    await until('its trap', () => existsSync(`/proc/${pid}/root/trapped`));
    assert.equal((await node.status(id)).stop_signal, Signal.SIGNAL_SIGUSR2);
    await node.runtime.StopContainer({ container_id: id, timeout: 10 });
    assert.equal((await node.status(id)).exit_code, 42);
    const imageOwn = await node.create(pod, { image: { image: IMAGE } });
    const own = node.engine.supports('1.42') ? Signal.SIGNAL_SIGUSR1 : Signal.SIGNAL_SIGTERM;
    assert.equal((await node.status(imageOwn)).stop_signal, own);
    const plain = await node.create(pod);
    assert.equal((await node.status(plain)).stop_signal, Signal.SIGNAL_SIGTERM);
  });

  it('metadata, labels, annotations, log_path and image come back as given', async () => {
    const labels = { 'io.kubernetes.container.name': 'x', 'io.kubernetes.docker.type': 'mine', ä: '' };
    const annotations = { 'annotation.x': 'y', z: 'multi\nline' };
    const id = await node.create(pod, {
      metadata: { name: 'named', attempt: 3 },
      labels,
      annotations,
      log_path: 'l/3.log',
    });
    const status = await node.status(id);
    assert.ok(status.image);
    assert.deepEqual(status.metadata, { name: 'named', attempt: 3 });
    assert.deepEqual(status.labels, labels);
    assert.deepEqual(status.annotations, annotations);
    assert.equal(status.log_path, `${pod.config.log_directory ?? ''}/l/3.log`);
    const { images } = await node.cridock.client.image.ListImages({
      filter: { image: { image: node.image } },
    });
    assert.equal(status.image_id, images[0]?.id);
    assert.equal(status.image.image, node.image);
    const { containers } = await node.runtime.ListContainers({ filter: { id } });
    const [container] = containers;
    assert.ok(container);
    assert.deepEqual(container.annotations, annotations);
    assert.equal(container.image_id, status.image_id);
  });

  it('the pod: hostname in every container, annotations and labels as given', async () => {
    assert.equal((await node.output(pod, 'hostname')).trim(), 'the-host');
    const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
    assert.deepEqual(status?.annotations, pod.config.annotations);
    assert.deepEqual(status?.labels, pod.config.labels);
    assert.deepEqual(status?.metadata, pod.config.metadata);
  });

  it('windows members are refused', async () => {
    const { code, text } = await refusal(node.create(pod, { windows: { resources: { cpu_count: 1 } } }));
    assert.equal(code, 'INVALID_ARGUMENT');
    assert.match(text, /windows/);
    const { id } = await node.start(pod);
    const update = node.runtime.UpdateContainerResources({ container_id: id, windows: { cpu_count: 1 } });
    assert.match((await refusal(update)).text, /windows/);
    assert.match((await refusal(node.pod({ windows: {} }))).text, /windows/);
  });

  it('an unknown runtime_handler of an image is refused', async () => {
    const create = node.create(pod, { image: { image: node.image, runtime_handler: 'none-such' } });
    assert.match((await refusal(create)).text, /runtime_handler/);
    const image = { image: node.image, runtime_handler: 'none-such' };
    for (const call of [
      node.cridock.client.image.ImageStatus({ image }),
      node.cridock.client.image.PullImage({ image }),
      node.cridock.client.image.RemoveImage({ image }),
      node.cridock.client.image.ListImages({ filter: { image } }),
    ]) {
      assert.equal((await refusal(call)).code, 'INVALID_ARGUMENT');
    }
  });
});
