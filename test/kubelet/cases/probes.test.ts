import assert from 'node:assert/strict';
import { containerOf, isReady } from '../support/api.js';
import { AGNHOST } from '../support/agnhost.js';
import { RUN_ON, subject } from '../support/pod-case.js';

/** One failure counts, and a busy machine is none: only what the probe finds is. */
const often = { periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 30 };
const exec = (run: string): object => ({ exec: { command: ['sh', '-c', run] }, ...often });
const httpd = 'mkdir -p /www; echo ok >/www/ok; exec httpd -f -p 8080 -h /www';

subject('probes', ({ quick, whole }) => {
  quick('readiness by exec follows its command', async (world) => {
    const pod = await world.ready({
      containers: [{ run: `touch /tmp/ready; ${RUN_ON}`, readinessProbe: exec('test -e /tmp/ready') }],
    });
    await world.exec(pod, 'rm /tmp/ready');
    await world.until(pod, 'an unready pod', (now) => !isReady(now));
    await world.exec(pod, 'touch /tmp/ready');
    await world.until(pod, 'a ready pod', isReady);
    assert.equal(containerOf(await world.get(pod))?.restartCount, 0);
  });

  quick('liveness by exec restarts', async (world) => {
    const pod = await world.ready({
      containers: [{ run: `touch /tmp/live; ${RUN_ON}`, livenessProbe: exec('test -e /tmp/live') }],
    });
    await world.execToTheEnd(pod, 'rm /tmp/live');
    await world.event(pod, 'Unhealthy', 'Liveness probe failed');
    await world.container(
      pod,
      'a restart',
      ({ restartCount, state }) => restartCount === 1 && state.running !== undefined,
    );
  });

  quick('liveness that holds restarts nothing', async (world) => {
    const pod = await world.ready({
      containers: [{ run: RUN_ON, livenessProbe: { ...exec('true'), failureThreshold: 3 } }],
    });
    await world.exec(pod, 'sleep 8');
    assert.equal(containerOf(await world.get(pod))?.restartCount, 0);
  });

  quick('readiness by HTTP, to a named port', async (world) => {
    const pod = await world.ready({
      containers: [
        {
          run: httpd,
          ports: [{ name: 'web', containerPort: 8080 }],
          readinessProbe: { httpGet: { path: '/ok', port: 'web' }, ...often },
        },
      ],
    });
    await world.exec(pod, 'rm /www/ok');
    await world.event(pod, 'Unhealthy', '404');
    await world.until(pod, 'an unready pod', (now) => !isReady(now));
  });

  quick('liveness by HTTP restarts', async (world) => {
    const pod = await world.ready({
      containers: [
        {
          run: httpd,
          livenessProbe: { httpGet: { path: '/ok', port: 8080 }, initialDelaySeconds: 3, ...often },
        },
      ],
    });
    await world.execToTheEnd(pod, 'rm /www/ok');
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount === 1);
  });

  quick('readiness by TCP', async (world) => {
    const pod = await world.pod({
      containers: [
        {
          run: 'until [ -e /tmp/go ]; do sleep 0.2; done; exec nc -ll -p 7000 -e cat',
          readinessProbe: { tcpSocket: { port: 7000 }, ...often },
        },
      ],
    });
    await world.event(pod, 'Unhealthy', 'connection refused');
    await world.exec(pod, 'touch /tmp/go');
    await world.until(pod, 'a ready pod', isReady);
  });

  whole('liveness by TCP restarts', async (world) => {
    const pod = await world.ready({
      containers: [
        {
          run: 'nc -ll -p 7000 -e cat & echo $! >/tmp/pid; while :; do sleep 1; done',
          livenessProbe: { tcpSocket: { port: 7000 }, initialDelaySeconds: 3, ...often },
        },
      ],
    });
    await world.execToTheEnd(pod, 'kill $(cat /tmp/pid)');
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount === 1);
  });

  quick('readiness by gRPC', async (world) => {
    const pod = await world.pod({
      containers: [
        {
          image: AGNHOST,
          args: ['grpc-health-checking', '--delay-unhealthy-sec', '600'],
          readinessProbe: { grpc: { port: 5000 }, ...often },
        },
      ],
    });
    await world.until(pod, 'a ready pod', isReady);
  });

  whole('liveness by gRPC restarts', async (world) => {
    const pod = await world.pod({
      containers: [
        {
          image: AGNHOST,
          args: ['grpc-health-checking', '--delay-unhealthy-sec', '5'],
          livenessProbe: { grpc: { port: 5000 }, initialDelaySeconds: 2, ...often, failureThreshold: 2 },
        },
      ],
    });
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount >= 1);
  });

  whole('readiness by HTTPS', async (world) => {
    await world.ready({
      containers: [
        {
          image: AGNHOST,
          args: ['liveness'],
          readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, ...often },
        },
      ],
    });
  });

  quick('a startup probe holds the others back', async (world) => {
    const pod = await world.pod({
      containers: [
        {
          run: `sleep 4; touch /tmp/up; ${RUN_ON}`,
          startupProbe: { ...exec('test -e /tmp/up'), failureThreshold: 60 },
          livenessProbe: exec('test -e /tmp/up'),
        },
      ],
    });
    const before = await world.container(pod, 'its start', ({ state }) => state.running !== undefined);
    assert.equal(before.started, false);
    await world.until(pod, 'a ready pod', isReady);
    const after = containerOf(await world.get(pod));
    assert.deepEqual([after?.started, after?.restartCount], [true, 0]);
  });

  quick('a startup probe that never holds restarts', async (world) => {
    const pod = await world.pod({
      containers: [{ run: RUN_ON, startupProbe: { ...exec('false'), failureThreshold: 2 } }],
    });
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount >= 1);
  });

  quick('an exec probe that takes too long fails, and its process ends', async (world) => {
    const pod = await world.pod({
      containers: [{ run: RUN_ON, readinessProbe: { ...exec('exec sleep 4321'), timeoutSeconds: 1 } }],
    });
    await world.event(pod, 'Unhealthy', 'time');
    assert.equal(isReady(await world.get(pod)), false);
  });

  whole('an exec probe may print much', async (world) => {
    await world.ready({
      containers: [
        {
          run: RUN_ON,
          readinessProbe: { ...exec('head -c 1000000 /dev/zero | tr "\\0" x') },
        },
      ],
    });
  });

  whole('an exec probe of a missing program fails and tells it', async (world) => {
    const pod = await world.pod({
      containers: [{ run: RUN_ON, readinessProbe: { exec: { command: ['/no/such/probe'] }, ...often } }],
    });
    await world.event(pod, 'Unhealthy', '/no/such/probe');
    assert.equal(isReady(await world.get(pod)), false);
  });

  whole('a probe has a grace period of its own', async (world) => {
    const pod = await world.pod({
      terminationGracePeriodSeconds: 300,
      containers: [
        {
          run: "trap '' TERM; while :; do sleep 1; done",
          livenessProbe: { ...exec('false'), terminationGracePeriodSeconds: 2 },
        },
      ],
    });
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount >= 1);
  });

  whole('probes go on after a restart of the container', async (world) => {
    const pod = await world.ready({
      containers: [{ run: `touch /tmp/ready; ${RUN_ON}`, readinessProbe: exec('test -e /tmp/ready') }],
    });
    await world.endMain(pod);
    await world.until(
      pod,
      'a ready pod again',
      (now) => containerOf(now)?.restartCount === 1 && isReady(now),
    );
    await world.exec(pod, 'rm /tmp/ready');
    await world.until(pod, 'an unready pod', (now) => !isReady(now));
  });
});
