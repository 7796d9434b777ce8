import assert from 'node:assert/strict';
import { containerOf } from '../support/api.js';
import { kubeletSince } from '../support/cluster.js';
import { RUN_ON, subject } from '../support/pod-case.js';

subject('hooks', ({ quick, whole }) => {
  quick('postStart runs before the container counts as started', async (world) => {
    const pod = await world.ready({
      containers: [
        {
          run: RUN_ON,
          lifecycle: { postStart: { exec: { command: ['sh', '-c', 'sleep 1; echo hooked >/tmp/hook'] } } },
        },
      ],
    });
    assert.equal(await world.exec(pod, 'cat /tmp/hook'), 'hooked');
  });

  quick('a failing postStart ends its container', async (world) => {
    const pod = await world.pod({
      containers: [{ run: RUN_ON, lifecycle: { postStart: { exec: { command: ['sh', '-c', 'exit 4'] } } } }],
    });
    await world.event(pod, 'FailedPostStartHook');
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount >= 1);
  });

  quick('preStop runs before SIGTERM', async (world) => {
    const pod = await world.ready({
      terminationGracePeriodSeconds: 30,
      containers: [
        {
          run: "trap 'echo terminated; exit 0' TERM; echo up; while :; do sleep 0.2; done",
          lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo prestop >/proc/1/fd/1'] } } },
        },
      ],
    });
    const log = await world.follow(pod);
    await world.delete(pod);
    assert.match(await log.end, /prestop\n(.*\n)*terminated/);
    await world.gone(pod);
  });

  quick('preStop may sleep', async (world) => {
    const pod = await world.ready({
      terminationGracePeriodSeconds: 30,
      containers: [{ run: RUN_ON, lifecycle: { preStop: { sleep: { seconds: 3 } } } }],
    });
    const began = performance.now();
    await world.delete(pod);
    await world.gone(pod);
    assert.ok(performance.now() - began >= 2_800);
  });

  whole('preStop by HTTP reaches the container', async (world) => {
    const pod = await world.ready({
      terminationGracePeriodSeconds: 30,
      containers: [
        {
          run: 'echo up; mkdir /www; echo yes >/www/stop; trap "exit 0" TERM; httpd -f -v -p 8080 -h /www & while :; do sleep 0.2; done',
          lifecycle: { preStop: { httpGet: { path: '/stop', port: 8080 } } },
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    });
    const log = await world.follow(pod);
    await world.delete(pod);
    assert.match(await log.end, /200/);
  });

  whole('a preStop that takes longer than the grace period does not hold the end', async (world) => {
    const pod = await world.ready({
      terminationGracePeriodSeconds: 3,
      containers: [{ run: RUN_ON, lifecycle: { preStop: { exec: { command: ['sleep', '600'] } } } }],
    });
    const began = performance.now();
    await world.delete(pod);
    await world.gone(pod);
    assert.ok(performance.now() - began < 90_000);
  });

  quick('the stop signal of the container is the one that comes', async (world) => {
    if (!kubeletSince(34)) return;
    const pod = await world.ready({
      os: { name: 'linux' },
      terminationGracePeriodSeconds: 60,
      containers: [
        {
          run: "trap 'echo usr1; exit 0' USR1; trap '' TERM; echo up; while :; do sleep 0.2; done",
          lifecycle: { stopSignal: 'SIGUSR1' },
        },
      ],
    });
    assert.equal(containerOf(await world.get(pod))?.stopSignal, 'SIGUSR1');
    const log = await world.follow(pod);
    await world.delete(pod);
    assert.match(await log.end, /usr1/);
    await world.gone(pod);
  });

  whole('the status tells the stop signal of one that names none', async (world) => {
    if (!kubeletSince(34)) return;
    assert.equal(containerOf(await world.ready())?.stopSignal, 'SIGTERM');
  });

  whole('a hook of a missing program is told', async (world) => {
    const pod = await world.pod({
      containers: [{ run: RUN_ON, lifecycle: { postStart: { exec: { command: ['/no/such/hook'] } } } }],
    });
    await world.event(pod, 'FailedPostStartHook');
  });
});
