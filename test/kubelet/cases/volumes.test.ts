import assert from 'node:assert/strict';
import { api, containerOf } from '../support/api.js';
import { cluster } from '../support/cluster.js';
import { RUN_ON, subject, waitFor } from '../support/pod-case.js';
import type { ContainerSpec } from '../support/pod-case.js';

const at = (mountPath: string, more: object = {}): ContainerSpec => ({
  volumeMounts: [{ name: 'v', mountPath, ...more }],
});

subject('volumes', ({ quick, whole }) => {
  quick('an emptyDir is shared by the containers of a pod', async (world) => {
    const output = await world.output('until [ -e /v/file ]; do sleep 0.1; done; cat /v/file', {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [at('/v'), { name: 'other', run: 'echo shared >/v/.new; mv /v/.new /v/file', ...at('/v') }],
    });
    assert.equal(output, 'shared');
  });

  quick('an emptyDir in memory has its size', async (world) => {
    const output = await world.output('grep " /v " /proc/mounts', {
      volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '5Mi' } }],
      containers: [at('/v')],
    });
    assert.match(output, /tmpfs .*size=5120k/);
  });

  quick('an emptyDir outlives a restart of its container', async (world) => {
    const pod = await world.pod({
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [{ run: `[ -e /v/file ] || { touch /v/file; exit 1; }; ${RUN_ON}`, ...at('/v') }],
    });
    await world.container(
      pod,
      'the second run',
      ({ restartCount, state }) => restartCount === 1 && state.running !== undefined,
    );
  });

  quick('a ConfigMap is there, and changes arrive', async (world) => {
    const name = await world.config('configmaps', { key: 'old' });
    const pod = await world.ready({
      volumes: [{ name: 'v', configMap: { name } }],
      containers: [{ run: RUN_ON, ...at('/v') }],
    });
    assert.equal(await world.exec(pod, 'cat /v/key'), 'old');
    await api(
      'PATCH',
      `/api/v1/namespaces/${world.namespace}/configmaps/${name}`,
      { data: { key: 'new' } },
      'application/merge-patch+json',
    );
    await waitFor('the change', async () =>
      (await world.exec(pod, 'cat /v/key')) === 'new' ? true : undefined,
    );
  });

  quick('a Secret has the modes that are asked for', async (world) => {
    const secretName = await world.config('secrets', { key: 'hush' });
    const output = await world.output('cat /v/key; stat -L -c %a /v/key', {
      volumes: [{ name: 'v', secret: { secretName, defaultMode: 0o400 } }],
      containers: [at('/v')],
    });
    assert.equal(output, 'hush400');
  });

  quick('a projected volume joins its sources', async (world) => {
    const [config, secret] = [
      await world.config('configmaps', { one: '1' }),
      await world.config('secrets', { two: '2' }),
    ];
    const output = await world.output(
      'cd /v; echo $(cat one two labels | tr -d "\\n"); cut -d. -f1 token | base64 -d 2>/dev/null | grep -c kid; head -n 1 ca.crt',
      {
        labels: { who: 'me' },
        volumes: [
          {
            name: 'v',
            projected: {
              sources: [
                { configMap: { name: config } },
                { secret: { name: secret } },
                { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
                { serviceAccountToken: { path: 'token', expirationSeconds: 600 } },
                { configMap: { name: 'kube-root-ca.crt' } },
              ],
            },
          },
        ],
        containers: [at('/v')],
      },
    );
    assert.equal(output, '12who="me"\n1\n-----BEGIN CERTIFICATE-----');
  });

  quick('the token of the service account is in every pod', async (world) => {
    const output = await world.output('ls /var/run/secrets/kubernetes.io/serviceaccount');
    assert.equal(output, 'ca.crt\nnamespace\ntoken');
  });

  quick('a file by sub-path', async (world) => {
    const name = await world.config('configmaps', { 'app.conf': 'setting' });
    const output = await world.output('cat /etc/app.conf; ls -d /etc/passwd', {
      volumes: [{ name: 'v', configMap: { name } }],
      containers: [at('/etc/app.conf', { subPath: 'app.conf' })],
    });
    assert.equal(output, 'setting/etc/passwd');
  });

  quick('folders by sub-path and by expression', async (world) => {
    const output = await world.output(
      'touch /one/a; until [ -e /all/named/b ]; do sleep 0.1; done; ls /all/sub /all/named',
      {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [
          {
            volumeMounts: [
              { name: 'v', mountPath: '/one', subPath: 'sub' },
              { name: 'v', mountPath: '/all' },
            ],
          },
          {
            name: 'other',
            run: 'touch /mine/b',
            env: [{ name: 'WHO', value: 'named' }],
            volumeMounts: [{ name: 'v', mountPath: '/mine', subPathExpr: '$(WHO)' }],
          },
        ],
      },
    );
    assert.equal(output, '/all/named:\nb\n\n/all/sub:\na');
  });

  whole('a sub-path that leads out of its volume is refused', async (world) => {
    const pod = await world.pod({
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [{ name: 'init', run: 'ln -s /etc /v/out', ...at('/v') }],
      containers: [{ run: RUN_ON, ...at('/host', { subPath: 'out' }) }],
    });
    await world.container(
      pod,
      'a refusal',
      ({ state }) => state.waiting?.reason === 'CreateContainerConfigError',
    );
  });

  quick('sub-paths work again after a restart of the container', async (world) => {
    const name = await world.config('configmaps', { key: 'value' });
    const pod = await world.ready({
      volumes: [{ name: 'v', configMap: { name } }],
      containers: [{ run: `cat /file; ${RUN_ON}`, ...at('/file', { subPath: 'key' }) }],
    });
    await world.endMain(pod);
    await world.container(
      pod,
      'the second run',
      ({ restartCount, state }) => restartCount === 1 && state.running !== undefined,
    );
    assert.equal(await world.exec(pod, 'cat /file'), 'value');
  });

  quick('a mount that is read-only', async (world) => {
    const output = await world.output('touch /v/x 2>&1 || true', {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [at('/v', { readOnly: true })],
    });
    assert.match(output, /Read-only file system/);
  });

  for (const [type, path, run] of [
    ['DirectoryOrCreate', 'folder', 'ls -d /v/.'],
    ['FileOrCreate', 'file', 'test -f /v && echo /v/.'],
    ['', 'untyped', 'ls -d /v/.'],
  ] as const) {
    quick(`a hostPath ${type === '' ? 'without a type' : type} that is not there is made`, async (world) => {
      const output = await world.output(run, {
        volumes: [{ name: 'v', hostPath: { path: `${cluster.data}/${world.name(path)}`, type } }],
        containers: [at('/v')],
      });
      assert.equal(output, '/v/.');
    });
  }

  quick('a hostPath of the wrong type holds the pod back', async (world) => {
    const pod = await world.pod({
      volumes: [{ name: 'v', hostPath: { path: '/etc/passwd', type: 'Directory' } }],
      containers: [{ run: RUN_ON, ...at('/v') }],
    });
    await world.event(pod, 'FailedMount', 'is not a directory');
  });

  whole('devices and sockets by hostPath', async (world) => {
    const output = await world.output('ls -l /v | cut -c1', {
      volumes: [
        { name: 'v', hostPath: { path: '/dev/null', type: 'CharDevice' } },
        { name: 's', hostPath: { path: cluster.endpoint.replace('unix://', ''), type: 'Socket' } },
      ],
      containers: [
        {
          volumeMounts: [
            { name: 'v', mountPath: '/v' },
            { name: 's', mountPath: '/s' },
          ],
        },
      ],
    });
    assert.equal(output, 'c');
  });

  quick('fsGroup owns a volume, and the process is of the group', async (world) => {
    const output = await world.output('stat -c %g /v; touch /v/file; stat -c %g /v/file; id -G', {
      securityContext: { fsGroup: 2345, runAsUser: 1000 },
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [at('/v')],
    });
    assert.match(output, /^2345\n2345\n.*2345/);
  });

  quick('mounts of the node and of the container reach each other', async (world) => {
    const path = `${cluster.data}/${world.name('shared')}`;
    const volumes = [{ name: 'v', hostPath: { path, type: 'DirectoryOrCreate' } }];
    const receiver = await world.pod({
      volumes,
      containers: [{ run: RUN_ON, ...at('/v', { mountPropagation: 'HostToContainer' }) }],
    });
    const giver = await world.pod({
      volumes,
      containers: [
        {
          run: RUN_ON,
          securityContext: { privileged: true },
          ...at('/v', { mountPropagation: 'Bidirectional' }),
        },
      ],
    });
    // Where the node's root is not shared, as systemd shares it, the Engine refuses both.
    const status = await world.until(giver, 'its start or its refusal', (now) => {
      const state = containerOf(now)?.state;
      return state?.running !== undefined || /shared/.test(state?.waiting?.message ?? '');
    });
    if (containerOf(status)?.state.running === undefined) return;
    await world.container(receiver, 'its start', ({ state }) => state.running !== undefined);
    await world.exec(giver, 'mkdir /v/m && mount -t tmpfs test /v/m && touch /v/m/here');
    assert.equal(await world.exec(receiver, 'ls /v/m'), 'here');
    await world.exec(giver, 'umount /v/m');
  });

  whole('a mount is read-only recursively where it can be', async (world) => {
    const pod = await world.pod({
      restartPolicy: 'Never',
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          run: 'touch /v/x && exit 1 || exit 0',
          ...at('/v', { readOnly: true, recursiveReadOnly: 'IfPossible' }),
        },
      ],
    });
    assert.equal((await world.ended(pod)).status.phase, 'Succeeded');
  });

  whole('a claim of a volume of the node', async (world) => {
    const name = world.name('volume');
    const spec = { accessModes: ['ReadWriteOnce'], storageClassName: '' };
    await world.create('/api/v1/persistentvolumes', {
      metadata: { name },
      spec: {
        ...spec,
        capacity: { storage: '1Gi' },
        hostPath: { path: `${cluster.data}/${name}`, type: 'DirectoryOrCreate' },
      },
    });
    await world.create(`/api/v1/namespaces/${world.namespace}/persistentvolumeclaims`, {
      metadata: { name },
      spec: { ...spec, volumeName: name, resources: { requests: { storage: '1Gi' } } },
    });
    const pod = {
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: name } }],
      containers: [at('/v')],
    };
    await world.output('echo kept >/v/file', pod);
    assert.equal(await world.output('cat /v/file', pod), 'kept');
  });

  whole('many volumes at once', async (world) => {
    const names = Array.from({ length: 20 }, (_, n) => `v${n}`);
    const output = await world.output('ls -d /v[0-9]*/ | wc -l', {
      volumes: names.map((name) => ({ name, emptyDir: {} })),
      containers: [{ volumeMounts: names.map((name) => ({ name, mountPath: `/${name}` })) }],
    });
    assert.match(output, /20/);
  });

  whole('the downward API in files follows the labels', async (world) => {
    const pod = await world.ready({
      labels: { colour: 'red' },
      volumes: [
        {
          name: 'v',
          downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
        },
      ],
      containers: [{ run: RUN_ON, ...at('/v') }],
    });
    assert.equal(await world.exec(pod, 'cat /v/labels'), 'colour="red"');
    await api(
      'PATCH',
      world.path(pod),
      { metadata: { labels: { colour: 'blue' } } },
      'application/merge-patch+json',
    );
    await waitFor('the change', async () =>
      (await world.exec(pod, 'cat /v/labels')) === 'colour="blue"' ? true : undefined,
    );
  });
});
