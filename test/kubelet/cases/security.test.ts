import assert from 'node:assert/strict';
import { containerOf, isReady } from '../support/api.js';
import { RUN_ON, subject } from '../support/pod-case.js';
import type { PodSpec } from '../support/pod-case.js';
import { hasUserNamespaces } from '../support/user-namespaces.js';

const secured = (securityContext: object): PodSpec => ({
  containers: [{ securityContext }],
});

const userNamespaces = await hasUserNamespaces();

subject('security', ({ quick, whole }) => {
  quick('user and group', async (world) => {
    assert.equal(
      await world.output('id -u; id -g', secured({ runAsUser: 1234, runAsGroup: 5678 })),
      '1234\n5678',
    );
  });

  quick('the status tells user and groups', async (world) => {
    const pod = await world.ready({
      securityContext: { runAsUser: 1234, runAsGroup: 5678, supplementalGroups: [9, 10] },
    });
    const user = containerOf(pod)?.user?.linux;
    // Of kubelets and servers that know the field.
    if (user)
      assert.deepEqual(
        [user.uid, user.gid, [...(user.supplementalGroups ?? [])].sort((a, b) => a - b)],
        [1234, 5678, [9, 10, 5678]],
      );
    assert.match(await world.exec(pod, 'id -G'), /\b9\b.*\b10\b/);
  });

  quick('one that must not be root is held back', async (world) => {
    const pod = await world.pod({ containers: [{ run: RUN_ON, securityContext: { runAsNonRoot: true } }] });
    const { state } = await world.container(
      pod,
      'the reason',
      (now) => now.state.waiting?.reason === 'CreateContainerConfigError',
    );
    assert.match(state.waiting?.message ?? '', /runAsNonRoot/);
  });

  quick('a root that is read-only', async (world) => {
    assert.match(
      await world.output('touch /x 2>&1 || true', secured({ readOnlyRootFilesystem: true })),
      /Read-only file system/,
    );
  });

  quick('capabilities are added and dropped', async (world) => {
    const mask = async (capabilities: object): Promise<bigint> =>
      BigInt(
        `0x${await world.output("awk '/CapBnd/ {print $2}' /proc/self/status", secured({ capabilities }))}`,
      );
    const [NET_ADMIN, CHOWN] = [1n << 12n, 1n << 0n];
    assert.equal((await mask({})) & NET_ADMIN, 0n);
    assert.equal((await mask({ add: ['NET_ADMIN'], drop: ['CHOWN'] })) & (NET_ADMIN | CHOWN), NET_ADMIN);
    assert.equal(await mask({ drop: ['ALL'] }), 0n);
  });

  quick('privileged has the devices of the node, others have not', async (world) => {
    const own = Number(await world.output('ls /dev | wc -l'));
    const all = Number(await world.output('ls /dev | wc -l', secured({ privileged: true })));
    assert.ok(all > own, `${own} ${all}`);
  });

  quick('no new privileges', async (world) => {
    assert.equal(
      await world.output(
        "awk '/NoNewPrivs/ {print $2}' /proc/self/status",
        secured({ allowPrivilegeEscalation: false }),
      ),
      '1',
    );
    assert.equal(await world.output("awk '/NoNewPrivs/ {print $2}' /proc/self/status"), '0');
  });

  quick('seccomp of the runtime, and none', async (world) => {
    const mode = (type: string): Promise<string> =>
      world.output("awk '/^Seccomp:/ {print $2}' /proc/self/status", secured({ seccompProfile: { type } }));
    assert.equal(await mode('RuntimeDefault'), '2');
    assert.equal(await mode('Unconfined'), '0');
  });

  whole('a seccomp profile that is not there holds the container back', async (world) => {
    const pod = await world.pod({
      containers: [
        {
          run: RUN_ON,
          securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'missing.json' } },
        },
      ],
    });
    await world.container(pod, 'a refusal', ({ state }) => /Create|Err/.test(state.waiting?.reason ?? ''));
  });

  whole('parts of /proc are read-only or hidden', async (world) => {
    assert.equal(
      await world.output("grep -c '^proc /proc/sys proc ro' /proc/mounts; ls /proc/scsi 2>/dev/null | wc -l"),
      '1\n0',
    );
  });

  if (!userNamespaces) {
    whole('a pod with a user namespace is refused with a reason', async (world) => {
      const pod = await world.pod({ hostUsers: false });
      await world.event(pod, 'FailedCreatePodSandBox', 'user namespace');
    });
  }

  quick('a RuntimeClass names the runtime', async (world) => {
    const name = world.name('rc');
    await world.create('/apis/node.k8s.io/v1/runtimeclasses', { metadata: { name }, handler: 'second-runc' });
    const pod = await world.ready({ runtimeClassName: name });
    assert.equal(await world.inspect(containerOf(pod), '{{.HostConfig.Runtime}}'), 'second-runc');
  });

  quick('a RuntimeClass that the node does not have is told', async (world) => {
    const name = world.name('rc');
    await world.create('/apis/node.k8s.io/v1/runtimeclasses', { metadata: { name }, handler: 'missing' });
    const pod = await world.pod({ runtimeClassName: name });
    await world.event(pod, 'FailedCreatePodSandBox', 'missing');
    assert.equal(isReady(await world.get(pod)), false);
  });

  whole('the overhead of a RuntimeClass is in the limits of the pod', async (world) => {
    const name = world.name('rc');
    const overhead = { podFixed: { memory: '16Mi' } };
    await world.create('/apis/node.k8s.io/v1/runtimeclasses', {
      metadata: { name },
      handler: 'second-runc',
      overhead,
    });
    const pod = await world.ready({
      runtimeClassName: name,
      containers: [{ run: RUN_ON, resources: { limits: { memory: '32Mi', cpu: '100m' } } }],
    });
    assert.match(JSON.stringify(pod.spec), /"overhead":\{"memory":"16Mi"\}/);
  });

  whole('supplemental groups may be strict', async (world) => {
    const output = await world.output('id -G', {
      securityContext: {
        supplementalGroupsPolicy: 'Strict',
        runAsUser: 1000,
        runAsGroup: 3000,
        supplementalGroups: [4000],
      },
    });
    assert.equal(output, '3000 4000');
  });
});
