import assert from 'node:assert/strict';
import { chownSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { containerOf, isReady } from '../support/api.js';
import type { Pod } from '../support/api.js';
import { cluster, noCluster } from '../support/cluster.js';
import { converse, portForward } from '../support/port-forward.js';
import { hasUserNamespaces } from '../support/user-namespaces.js';
import { RUN_ON, subject } from '../support/pod-case.js';
import type { ContainerSpec, PodCase, PodSpec } from '../support/pod-case.js';

const IDS = 65_536;
/** A probe that a busy machine does not fail. */
const patient = { periodSeconds: 1, timeoutSeconds: 30 };

const at = (mountPath: string, more: object = {}): ContainerSpec => ({
  volumeMounts: [{ name: 'v', mountPath, ...more }],
});
const apart = (spec: PodSpec = {}): PodSpec => ({ hostUsers: false, ...spec });

/** The node's id of the pod's root, from the kernel. */
async function rootOf(world: PodCase, pod: Pod): Promise<number> {
  const pid = await world.inspect(containerOf(await world.get(pod)), '{{.State.Pid}}');
  const [inside, outside, size] = readFileSync(`/proc/${pid}/uid_map`, 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  assert.deepEqual([inside, size], [0, IDS]);
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), new RegExp(`^Uid:\t${outside}\t`, 'm'));
  return outside ?? 0;
}

if (!(await hasUserNamespaces())) {
  const reason =
    noCluster === false ? 'the node has no companion runtime, or the kubelet asks for none' : noCluster;
  describe('user namespaces', () => it('pods with hostUsers: false', { skip: reason }));
} else {
  subject('user namespaces', ({ quick, whole }) => {
    quick('a pod is root inside, and each pod is somebody else outside', async (world) => {
      const pods = await Promise.all([world.ready(apart()), world.ready(apart())]);
      const roots = await Promise.all(pods.map((pod) => rootOf(world, pod)));
      assert.ok(roots.every((root) => root >= IDS) && roots[0] !== roots[1], roots.join());
      for (const pod of pods) assert.equal(await world.exec(pod, 'id -u; id -g; stat -c %u /'), '0\n0\n0');
    });

    quick('an emptyDir is shared, on the disk and in memory, with a group of its own', async (world) => {
      for (const emptyDir of [{}, { medium: 'Memory' }]) {
        const output = await world.output(
          'until [ -e /v/file ]; do sleep 0.1; done; stat -c "%u %g" /v /v/file',
          {
            ...apart({ volumes: [{ name: 'v', emptyDir }], securityContext: { fsGroup: 4000 } }),
            containers: [
              at('/v'),
              { name: 'other', run: 'touch /v/.new; chown 7 /v/.new; mv /v/.new /v/file', ...at('/v') },
            ],
          },
        );
        assert.equal(output, '0 4000\n7 4000');
      }
    });

    quick(
      'files of the API belong to root: ConfigMap, Secret, projected, sub-path, the token',
      async (world) => {
        const name = await world.config('configmaps', { 'app.conf': 'setting' });
        const secretName = await world.config('secrets', { key: 'hush' });
        const output = await world.output(
          [
            'cat /c/app.conf /s/key /p/labels /etc/app.conf',
            'echo',
            'stat -L -c "%u:%g %a" /c/app.conf /s/key /p/labels /etc/app.conf',
            'ls /var/run/secrets/kubernetes.io/serviceaccount',
            'touch /etc/app.conf 2>/dev/null || echo read-only',
          ].join('; '),
          {
            ...apart({ labels: { who: 'me' } }),
            volumes: [
              { name: 'c', configMap: { name } },
              { name: 's', secret: { secretName, defaultMode: 0o400 } },
              {
                name: 'p',
                projected: {
                  sources: [
                    {
                      downwardAPI: {
                        items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }],
                      },
                    },
                  ],
                },
              },
            ],
            containers: [
              {
                volumeMounts: [
                  { name: 'c', mountPath: '/c' },
                  { name: 's', mountPath: '/s' },
                  { name: 'p', mountPath: '/p' },
                  { name: 'c', mountPath: '/etc/app.conf', subPath: 'app.conf', readOnly: true },
                ],
              },
            ],
          },
        );
        const owners = ['0:0 644', '0:0 400', '0:0 644', '0:0 644'].join('\n');
        const [texts = '', ...lines] = output.split('\n');
        assert.match(texts, /^settinghushwho="me"setting$/);
        assert.ok(lines.join('\n').startsWith(`${owners}\nca.crt\nnamespace\ntoken\n`), output);
        assert.match(output, /read-only$/);
      },
    );

    quick('a hostPath shows its owners, and is written with those of the pod', async (world) => {
      const folder = mkdtempSync(path.join(cluster.data, 'host-path-'));
      try {
        const own = path.join(folder, 'own');
        mkdirSync(own);
        chownSync(own, 1000, 1001);
        await world.output('[ "$(stat -c %u:%g /v/own)" = 1000:1001 ] && touch /v/new && chown 5:6 /v/new', {
          ...apart({ volumes: [{ name: 'v', hostPath: { path: folder } }] }),
          containers: [at('/v')],
        });
        const { uid, gid } = lstatSync(path.join(folder, 'new'));
        assert.deepEqual([uid, gid], [5, 6]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    quick('probes, hooks, exec, logs, a termination message and port-forward work as ever', async (world) => {
      const pod = await world.ready(
        apart({
          containers: [
            {
              run: 'echo begun; touch /tmp/up; exec nc -ll -p 7000 -e cat',
              startupProbe: { exec: { command: ['cat', '/tmp/up'] }, ...patient, failureThreshold: 60 },
              readinessProbe: { tcpSocket: { port: 7000 }, ...patient },
              livenessProbe: { exec: { command: ['true'] }, ...patient },
              lifecycle: { postStart: { exec: { command: ['sh', '-c', 'id -u >/tmp/hook'] } } },
            },
          ],
        }),
      );
      assert.equal(
        await world.exec(pod, 'cat /tmp/hook; echo x >/dev/termination-log; hostname'),
        `0\n${pod.metadata.name}`,
      );
      assert.equal(await world.logs(pod), 'begun\n');
      const forward = await portForward(pod, 7000);
      try {
        assert.equal(await converse(forward.port, 'through'), 'through');
      } finally {
        await forward.close();
      }
      const message = await world.ended(
        await world.pod(apart({ restartPolicy: 'Never', run: 'echo -n why >/dev/termination-log; exit 3' })),
      );
      assert.deepEqual(
        [containerOf(message)?.state.terminated?.exitCode, containerOf(message)?.state.terminated?.message],
        [3, 'why'],
      );
    });

    quick('init containers, sidecars and restarted containers are in the same namespace', async (world) => {
      const pod = await world.pod(
        apart({
          volumes: [{ name: 'v', emptyDir: {} }],
          initContainers: [
            {
              name: 'side',
              restartPolicy: 'Always',
              run: `readlink /proc/self/ns/user >/v/side; ${RUN_ON}`,
              ...at('/v'),
            },
            { name: 'init', run: 'readlink /proc/self/ns/user >/v/init', ...at('/v') },
          ],
          containers: [
            {
              run: `readlink /proc/self/ns/user >>/v/main; [ $(wc -l </v/main) = 2 ] || exit 1; ${RUN_ON}`,
              ...at('/v'),
            },
          ],
        }),
      );
      await world.until(pod, 'a second run', (now) => isReady(now) && containerOf(now)?.restartCount === 1);
      const lines = (await world.exec(pod, 'cat /v/side /v/init /v/main')).split('\n');
      assert.equal(lines.length, 4);
      assert.equal(new Set(lines).size, 1);
      assert.notEqual(lines[0], readlinkSync('/proc/self/ns/user'));
    });

    whole('a privileged container has no power over the node', async (world) => {
      const run =
        'mount -t proc proc /mnt && echo own; mknod /tmp/disk b 7 0 || echo no device; sysctl -w vm.swappiness=1 || echo no sysctl';
      const output = await world.output(`( ${run} ) 2>&1`, {
        ...apart(),
        containers: [{ securityContext: { privileged: true } }],
      });
      assert.match(output, /no device/);
      assert.match(output, /no sysctl/);
    });

    whole('for a user who is not root, with limits and a read-only root', async (world) => {
      const output = await world.output(
        'id -u; id -G; touch /x 2>/dev/null || echo read-only; touch /v/y && stat -c %u:%g /v/y',
        {
          ...apart({
            volumes: [{ name: 'v', emptyDir: {} }],
            securityContext: { runAsUser: 1234, runAsGroup: 5678, fsGroup: 4000 },
          }),
          containers: [
            {
              ...at('/v'),
              resources: { limits: { memory: '64Mi', cpu: '500m' } },
              securityContext: {
                readOnlyRootFilesystem: true,
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      );
      assert.equal(output, '1234\n5678 4000\nread-only\n1234:4000');
    });
  });
}
