import assert from 'node:assert/strict';
import { containerOf, isReady } from '../support/api.js';
import { docker, patience } from '../support/cluster.js';
import { RUN_ON, engineId, subject, waitFor } from '../support/pod-case.js';

subject('lifecycle', ({ quick, whole }) => {
  quick('a pod runs to its end', async (world) => {
    const pod = await world.ended(await world.pod({ restartPolicy: 'Never', run: 'echo done' }));
    assert.equal(pod.status.phase, 'Succeeded');
    const ended = containerOf(pod)?.state.terminated;
    assert.equal(ended?.exitCode, 0);
    assert.equal(ended.reason, 'Completed');
    assert.equal(await world.logs(pod), 'done\n');
  });

  quick('a pod that fails tells its exit code', async (world) => {
    const pod = await world.ended(await world.pod({ restartPolicy: 'Never', run: 'exit 3' }));
    assert.equal(pod.status.phase, 'Failed');
    const ended = containerOf(pod)?.state.terminated;
    assert.deepEqual([ended?.exitCode, ended?.reason], [3, 'Error']);
  });

  whole('a container that a signal ended tells 128 and its number', async (world) => {
    const pod = await world.ready({ restartPolicy: 'Never', containers: [{ command: ['sleep', '4321'] }] });
    await docker('kill', '-s', 'USR1', engineId(containerOf(pod)));
    await docker('kill', '-s', 'KILL', engineId(containerOf(pod))).catch(() => undefined);
    assert.match(String(containerOf(await world.ended(pod))?.state.terminated?.exitCode), /^(138|137)$/);
  });

  quick('OnFailure restarts until it succeeds', async (world) => {
    const pod = await world.pod({
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'work', emptyDir: {} }],
      containers: [
        {
          run: 'echo x >>/work/runs; [ $(wc -l </work/runs) -ge 3 ]',
          volumeMounts: [{ name: 'work', mountPath: '/work' }],
        },
      ],
    });
    const { status } = await world.ended(pod);
    assert.equal(status.phase, 'Succeeded');
    assert.equal(status.containerStatuses?.[0]?.restartCount, 2);
  });

  quick('Always restarts what has succeeded, and the last state is kept', async (world) => {
    const pod = await world.pod({ run: 'exit 0' });
    const status = await world.container(pod, 'a restart', ({ restartCount }) => restartCount >= 1);
    assert.equal(status.lastState.terminated?.reason ?? status.state.terminated?.reason, 'Completed');
  });

  quick('one that always fails waits in CrashLoopBackOff', async (world) => {
    const pod = await world.pod({ run: 'exit 1' });
    await world.container(pod, 'back-off', ({ state }) => state.waiting?.reason === 'CrashLoopBackOff');
    await world.event(pod, 'BackOff');
    const status = await world.container(pod, 'restarts', ({ restartCount }) => restartCount >= 3);
    assert.equal(status.lastState.terminated?.exitCode ?? status.state.terminated?.exitCode, 1);
  });

  quick('of two containers only the one that ended restarts', async (world) => {
    const pod = await world.pod({ containers: [{ run: RUN_ON }, { name: 'other', run: 'sleep 1; exit 1' }] });
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount >= 1, 'other');
    assert.equal(containerOf(await world.get(pod))?.restartCount, 0);
  });

  quick('a program that does not exist is a start error', async (world) => {
    const pod = await world.pod({ restartPolicy: 'Never', containers: [{ command: ['/no/such/program'] }] });
    const { status } = await world.until(pod, 'a failure', ({ status: { phase } }) => phase === 'Failed');
    const ended = status.containerStatuses?.[0]?.state.terminated;
    assert.match(ended?.reason ?? '', /^(ContainerCannotRun|StartError)$/);
    assert.match(ended?.message ?? '', /no such file/);
    assert.notEqual(ended?.exitCode, 0);
  });

  whole('a working folder that does not exist is made', async (world) => {
    assert.equal(await world.output('pwd', { containers: [{ workingDir: '/made/here' }] }), '/made/here');
  });

  quick('an image that is not there and must not be pulled', async (world) => {
    const pod = await world.pod({
      containers: [{ run: 'true', image: 'no-such-image:1', imagePullPolicy: 'Never' }],
    });
    await world.container(pod, 'the reason', ({ state }) => state.waiting?.reason === 'ErrImageNeverPull');
  });

  quick('the termination message comes from its file', async (world) => {
    const pod = await world.ended(
      await world.pod({ restartPolicy: 'Never', run: 'echo -n why >/dev/termination-log; exit 1' }),
    );
    assert.equal(containerOf(pod)?.state.terminated?.message, 'why');
  });

  whole('the termination message comes from a file of another name', async (world) => {
    const pod = await world.pod({
      restartPolicy: 'Never',
      containers: [{ run: 'echo -n own >/tmp/why', terminationMessagePath: '/tmp/why' }],
    });
    assert.equal(containerOf(await world.ended(pod))?.state.terminated?.message, 'own');
  });

  quick('the termination message falls back to the log', async (world) => {
    const pod = await world.pod({
      restartPolicy: 'Never',
      containers: [
        { run: 'echo first; echo last words; exit 1', terminationMessagePolicy: 'FallbackToLogsOnError' },
      ],
    });
    assert.match(containerOf(await world.ended(pod))?.state.terminated?.message ?? '', /last words/);
  });

  whole('a termination message is cut at 4096 bytes', async (world) => {
    const run = 'head -c 10000 /dev/zero | tr "\\0" x >/dev/termination-log';
    const pod = await world.ended(await world.pod({ restartPolicy: 'Never', run }));
    assert.equal(containerOf(pod)?.state.terminated?.message?.length, 4096);
  });

  quick('active deadline ends the pod', async (world) => {
    const { status } = await world.ended(await world.pod({ activeDeadlineSeconds: 3 }));
    assert.deepEqual([status.phase, status.reason], ['Failed', 'DeadlineExceeded']);
  });

  quick('SIGTERM comes first, and its exit code is told', async (world) => {
    const pod = await world.ready({
      finalizers: [],
      terminationGracePeriodSeconds: 60 * patience,
      run: "trap 'echo ends; exit 7' TERM; echo ready; while :; do sleep 0.2; done",
    });
    const log = await world.follow(pod);
    const began = performance.now();
    await world.delete(pod);
    await world.gone(pod);
    assert.ok(performance.now() - began < 50_000 * patience, 'it did not wait for the whole grace period');
    assert.match(await log.end, /ends/);
  });

  quick('one that ignores SIGTERM is killed when its time is up', async (world) => {
    const pod = await world.ready({
      terminationGracePeriodSeconds: 3,
      run: "trap '' TERM; while :; do sleep 1; done",
    });
    const began = performance.now();
    await world.delete(pod);
    await world.gone(pod);
    assert.ok(performance.now() - began >= 2_500, 'it had its time');
  });

  whole('deleted without grace it is gone at once, and its containers soon', async (world) => {
    const pod = await world.ready({
      terminationGracePeriodSeconds: 300,
      run: "trap '' TERM; while :; do sleep 1; done",
    });
    const id = engineId(containerOf(await world.get(pod)));
    await world.delete(pod, 0);
    await world.gone(pod);
    await waitFor('the end of its container', async () =>
      (await docker('ps', '-q', '--no-trunc', '--filter', `id=${id}`)) === '' ? true : undefined,
    );
  });

  quick('a pod deleted while it starts leaves nothing', async (world) => {
    const pods = await Promise.all(Array.from({ length: 3 }, () => world.pod()));
    await Promise.all(pods.map((pod) => world.delete(pod, 1)));
    await Promise.all(pods.map((pod) => world.gone(pod)));
    await waitFor('the end of its containers', async () => {
      const uids = await docker('ps', '-a', '--format', '{{.Label "io.kubernetes.pod.uid"}}');
      return pods.some(({ metadata }) => uids.includes(metadata.uid)) ? undefined : true;
    });
  });

  quick('a container killed behind the kubelet is started again', async (world) => {
    const pod = await world.ready();
    await docker('kill', engineId(containerOf(await world.get(pod))));
    const status = await world.container(
      pod,
      'a restart',
      (now) => now.restartCount === 1 && now.state.running !== undefined,
    );
    assert.equal(status.lastState.terminated?.exitCode, 137);
  });

  quick('a sandbox killed behind the kubelet is replaced', async (world) => {
    const pod = await world.ready();
    const [sandbox = ''] = (
      await docker(
        'ps',
        '-q',
        '--filter',
        `label=io.kubernetes.pod.uid=${pod.metadata.uid}`,
        '--filter',
        'label=io.kubernetes.docker.type=podsandbox',
      )
    ).split('\n');
    await docker('kill', sandbox);
    await world.event(pod, 'SandboxChanged');
    await world.until(
      pod,
      'a ready pod again',
      (now) => isReady(now) && containerOf(now)?.restartCount === 1,
    );
  });

  whole('a container removed behind the kubelet is made again', async (world) => {
    const pod = await world.ready();
    const id = engineId(containerOf(await world.get(pod)));
    await docker('rm', '-f', id);
    await world.container(
      pod,
      'another',
      (now) => now.state.running !== undefined && !now.containerID?.endsWith(id),
    );
  });

  quick('arguments and variables are expanded', async (world) => {
    const output = await world.output('', {
      containers: [
        {
          command: ['sh', '-c', 'echo "$0 $1 $SUM $NODE $POD_IP"', 'zero'],
          args: ['$(ONE)'],
          env: [
            { name: 'ONE', value: '1' },
            { name: 'SUM', value: '$(ONE)-$(MISSING)-$$(ONE)' },
            { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
            { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
        },
      ],
    });
    assert.match(output, /^zero 1 1-\$\(MISSING\)-\$\(ONE\) cridock-test 10\.211\./);
  });

  whole('variables come from ConfigMaps, Secrets and resource fields', async (world) => {
    const config = await world.config('configmaps', { colour: 'green' });
    const secret = await world.config('secrets', { word: 'hush' });
    const output = await world.output('echo "$COLOUR $word $CPUS"', {
      containers: [
        {
          envFrom: [{ secretRef: { name: secret } }],
          env: [
            { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: config, key: 'colour' } } },
            { name: 'CPUS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
          ],
          resources: { limits: { cpu: '250m', memory: '32Mi' } },
        },
      ],
    });
    assert.equal(output, 'green hush 250');
  });

  whole('a missing ConfigMap holds the container back', async (world) => {
    const pod = await world.pod({
      containers: [{ run: 'true', envFrom: [{ configMapRef: { name: 'missing' } }] }],
    });
    await world.container(
      pod,
      'the reason',
      ({ state }) => state.waiting?.reason === 'CreateContainerConfigError',
    );
  });

  quick('the times of a container follow each other', async (world) => {
    const pod = await world.ended(await world.pod({ restartPolicy: 'Never', run: 'sleep 2' }));
    const ended = containerOf(pod)?.state.terminated;
    assert.ok(ended);
    const ranMs = Date.parse(ended.finishedAt) - Date.parse(ended.startedAt);
    assert.ok(ranMs >= 1000 && Date.parse(ended.finishedAt) <= Date.now() + 1000, `${ranMs} ms`);
  });
});
