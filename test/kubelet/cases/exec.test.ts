import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Pod } from '../support/api.js';
import { digest, openChannels } from '../support/channels.js';
import { RUN_ON, subject, waitFor } from '../support/pod-case.js';
import type { PodCase } from '../support/pod-case.js';

/** kubectl's two ways to open a session. */
const WAYS = {
  WebSocket: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'true', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'true' },
  SPDY: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' },
};
const query = (command: string[], more: string): string =>
  `${command.map((word) => `command=${encodeURIComponent(word)}`).join('&')}&${more}`;

/** Runs with a folder that is removed afterwards. */
async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'cridock-kubelet-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const run = (
  world: PodCase,
  pod: Pod,
  args: string[],
  env: Record<string, string>,
  input?: Buffer | string,
) =>
  world.kubectl(['exec', ...(input === undefined ? [] : ['-i']), pod.metadata.name, '--', ...args], {
    env,
    ...(input !== undefined && { input }),
  });

subject('exec', ({ quick, whole }) => {
  for (const [way, env] of Object.entries(WAYS)) {
    quick(`kubectl exec by ${way}: both streams and the exit code`, async (world) => {
      const pod = await world.ready();
      const { code, stdout, stderr } = await run(
        world,
        pod,
        ['sh', '-c', 'echo out; echo err >&2; exit 42'],
        env,
      );
      assert.deepEqual([code, stdout], [42, 'out\n']);
      assert.match(stderr, /^err\n.*exit code 42/s);
    });

    quick(`kubectl exec by ${way}: input to its end`, async (world) => {
      const pod = await world.ready();
      const { code, stdout } = await run(world, pod, ['sha256sum'], env, 'hello');
      assert.deepEqual([code, stdout.split(' ')[0]], [0, digest('hello')]);
    });

    quick(`kubectl exec by ${way}: a large input comes back whole`, async (world) => {
      const pod = await world.ready();
      const input = Buffer.from(randomBytes(3 << 20).toString('hex'));
      const { code, stdout } = await run(world, pod, ['cat'], env, input);
      assert.equal(code, 0);
      assert.equal(digest(stdout), digest(input));
    });

    quick(`kubectl attach by ${way} shows what comes, and takes input`, async (world) => {
      const pod = await world.ready({
        containers: [
          {
            run: 'while read line; do echo "got $line"; [ "$line" != end ] || exit 0; done',
            stdin: true,
            stdinOnce: true,
          },
        ],
        restartPolicy: 'Never',
      });
      const { stdout } = await world.kubectl(['attach', '-i', pod.metadata.name], {
        env,
        input: 'one\nend\n',
      });
      assert.match(stdout, /got one\ngot end/);
      assert.equal((await world.ended(pod)).status.phase, 'Succeeded');
    });

    quick(`kubectl cp by ${way}, both ways`, async (world) => {
      const pod = await world.ready();
      await withFolder(async (folder) => {
        const content = randomBytes(500_000);
        writeFileSync(path.join(folder, 'file'), content);
        const to = await world.kubectl(['cp', `${folder}/file`, `${pod.metadata.name}:/tmp/file`], { env });
        assert.equal(to.code, 0, to.stderr);
        assert.equal((await world.exec(pod, 'sha256sum /tmp/file')).split(' ')[0], digest(content));
        const from = await world.kubectl(['cp', `${pod.metadata.name}:/tmp/file`, `${folder}/back`], { env });
        assert.equal(from.code, 0, from.stderr);
        assert.equal(digest(readFileSync(path.join(folder, 'back'))), digest(content));
      });
    });
  }

  quick('kubectl exec -t has a terminal', async (world) => {
    const pod = await world.ready();
    // A terminal for kubectl itself, of the size that it passes on.
    const target = `${world.path(pod)}/exec?${query(['sh', '-c', 'read x; tty; stty size'], 'stdin=1&stdout=1&tty=1')}`;
    const session = await openChannels(target, 'v5.channel.k8s.io');
    session.send(4, JSON.stringify({ Width: 100, Height: 33 }));
    await waitFor('the size', async () => {
      return (await world.exec(pod, 'stty size -F /dev/pts/0 2>/dev/null || stty -F /dev/pts/0 size')) ===
        '33 100'
        ? true
        : undefined;
    });
    session.send(0, 'x\n');
    await session.closed();
    assert.match(session.text(1), /\/dev\/pts\/0\r\n33 100/);
  });

  quick('a program that does not exist', async (world) => {
    const pod = await world.ready();
    const { code, stderr } = await world.kubectl(['exec', pod.metadata.name, '--', '/no/such/program']);
    assert.notEqual(code, 0);
    assert.match(stderr, /no such file|not found|exec failed/);
  });

  quick('a container that does not exist, and one that has ended', async (world) => {
    const containers = [{ run: RUN_ON }, { name: 'ended', run: 'true' }];
    const pod = await world.pod({ containers, restartPolicy: 'Never' });
    await world.container(pod, 'its start', ({ state }) => state.running !== undefined);
    await world.container(pod, 'its end', ({ state }) => state.terminated !== undefined, 'ended');
    for (const name of ['nobody', 'ended']) {
      assert.notEqual((await world.kubectl(['exec', pod.metadata.name, '-c', name, '--', 'true'])).code, 0);
    }
    assert.equal(await world.exec(pod, 'echo beside them'), 'beside them');
  });

  quick('sessions side by side do not mix', async (world) => {
    const pod = await world.ready();
    const outputs = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        run(world, pod, ['sh', '-c', `for i in 1 2 3 4 5; do echo ${n}; done; cat`], {}, `in ${n}`),
      ),
    );
    assert.deepEqual(
      outputs.map(({ stdout }) => stdout),
      outputs.map((_, n) => `${n}\n`.repeat(5) + `in ${n}`),
    );
  });

  whole('the process of a client that went away ends', async (world) => {
    const pod = await world.ready();
    const target = `${world.path(pod)}/exec?${query(['cat'], 'stdin=1&stdout=1')}`;
    const session = await openChannels(target, 'v5.channel.k8s.io');
    session.send(0, 'x');
    await waitFor('its echo', () => Promise.resolve(session.text(1) === 'x' ? true : undefined));
    session.close();
    await waitFor('its end', async () =>
      (await world.exec(pod, 'pgrep cat || true')) === '' ? true : undefined,
    );
  });

  for (const protocol of [
    'v5.channel.k8s.io',
    'v4.channel.k8s.io',
    'channel.k8s.io',
    'v4.base64.channel.k8s.io',
    'base64.channel.k8s.io',
  ]) {
    quick(`exec by a client with an Origin: ${protocol}`, async (world) => {
      const pod = await world.ready();
      const target = `${world.path(pod)}/exec?${query(['sh', '-c', 'echo out; echo err >&2'], 'stdout=1&stderr=1')}`;
      const session = await openChannels(target, protocol);
      assert.equal(session.protocol, protocol);
      await session.closed();
      assert.deepEqual([session.text(1), session.text(2)], ['out\n', 'err\n']);
      if (/^v[45]/.test(protocol)) assert.match(session.text(3), /"Success"/);
    });
  }

  quick('attach by a client with an Origin', async (world) => {
    const pod = await world.ready({ run: 'while :; do echo tick; sleep 0.3; done' });
    const session = await openChannels(`${world.path(pod)}/attach?stdout=1`, 'v4.channel.k8s.io');
    await waitFor('its output', () => Promise.resolve(session.text(1).includes('tick\n') ? true : undefined));
    session.close();
  });

  whole('port-forward by a client with an Origin', async (world) => {
    const pod = await world.ready({
      containers: [
        {
          run: 'exec nc -ll -p 7000 -e cat',
          readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1 },
        },
      ],
    });
    const session = await openChannels(`${world.path(pod)}/portforward?ports=7000`, 'v4.channel.k8s.io');
    session.send(0, 'over and back');
    await waitFor('the echo', () =>
      Promise.resolve(session.text(0).includes('over and back') ? true : undefined),
    );
    session.close();
  });

  quick('an ephemeral container joins a pod', async (world) => {
    const pod = await world.ready({ run: 'exec sleep 4321' });
    const { code, stderr } = await world.kubectl([
      'debug',
      pod.metadata.name,
      '--image=busybox:latest',
      '--image-pull-policy=IfNotPresent',
      '-c',
      'debugger',
      '--target=main',
      '--profile=general',
      '--',
      'sh',
      '-c',
      'sleep 1; ps; echo seen',
    ]);
    assert.equal(code, 0, stderr);
    const logs = await world.untilLogs(pod, 'seen', 'container=debugger');
    assert.match(logs, /sleep 4321/, 'it sees the processes of its target');
    await world.container(pod, 'its end', ({ state }) => state.terminated?.exitCode === 0, 'debugger');
  });

  quick('an ephemeral container takes exec', async (world) => {
    const pod = await world.ready();
    const { code, stderr } = await world.kubectl([
      'debug',
      pod.metadata.name,
      '--image=busybox:latest',
      '--image-pull-policy=IfNotPresent',
      '-c',
      'debugger',
      '--profile=general',
      '--',
      'sleep',
      '1000',
    ]);
    assert.equal(code, 0, stderr);
    await world.container(pod, 'its start', ({ state }) => state.running !== undefined, 'debugger');
    assert.equal(await world.exec(pod, 'hostname', 'debugger'), pod.metadata.name);
  });
});
