import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { api, containerOf, isReady } from '../support/api.js';
import { NODE, docker } from '../support/cluster.js';
import { makeImage } from '../support/own-image.js';
import { RUN_ON, subject, waitFor } from '../support/pod-case.js';

/** Two registries on loopback, the second asks for a login; run.sh starts them. */
const open = process.env['CRIDOCK_TEST_REGISTRY'] ?? '';
const closed = process.env['CRIDOCK_TEST_REGISTRY_LOGIN'] ?? '';
const login = { username: 'tester', password: 'secret word' };

async function push(registry: string, name: string): Promise<string> {
  const reference = `${registry}/${name}:1`;
  await makeImage(reference);
  await docker('push', reference);
  await docker('rmi', reference);
  return reference;
}

subject('images', ({ quick, whole }) => {
  quick('an image that is not there is pulled, and the status tells its digest', async (world) => {
    const image = await push(open, world.name('pulled'));
    const pod = await world.ready({ containers: [{ run: RUN_ON, image }] });
    await world.event(pod, 'Pulled');
    const status = containerOf(pod);
    assert.equal(status?.image, image);
    assert.match(status.imageID, /sha256:[0-9a-f]{64}$/);
  });

  quick('an image by its digest', async (world) => {
    const image = await push(open, world.name('digest'));
    const first = containerOf(await world.ready({ containers: [{ run: RUN_ON, image }] }));
    const digest = /sha256:[0-9a-f]{64}/.exec(first?.imageID ?? '')?.[0] ?? '';
    await docker('rmi', '-f', image);
    const pod = await world.ready({
      containers: [{ run: RUN_ON, image: `${image.replace(/:1$/, '')}@${digest}` }],
    });
    assert.match(containerOf(pod)?.imageID ?? '', new RegExp(digest));
  });

  quick('an image that nobody has: ErrImagePull, then back-off', async (world) => {
    const pod = await world.pod({ containers: [{ run: 'true', image: `${open}/no-such:1` }] });
    await world.event(pod, 'Failed', 'no-such');
    const { state } = await world.container(
      pod,
      'back-off',
      (now) => now.state.waiting?.reason === 'ImagePullBackOff',
    );
    assert.match(state.waiting?.message ?? '', /no-such/);
  });

  whole('a reference that is none', async (world) => {
    const pod = await world.pod({ containers: [{ run: 'true', image: 'Not A Reference' }] });
    await world.container(pod, 'the reason', ({ state }) => state.waiting?.reason === 'InvalidImageName');
  });

  whole('a registry that does not answer', async (world) => {
    const pod = await world.pod({ containers: [{ run: 'true', image: '127.0.0.1:1/none:1' }] });
    await world.event(pod, 'Failed', 'refused');
  });

  quick('Always asks the registry each time', async (world) => {
    const image = await push(open, world.name('always'));
    for (let turn = 0; turn < 2; turn++) {
      const pod = await world.ready({ containers: [{ run: RUN_ON, image, imagePullPolicy: 'Always' }] });
      await world.event(pod, 'Pulled', 'Successfully pulled');
    }
  });

  quick('a registry that asks for a login gets the one of the pull secret', async (world) => {
    const reference = `${closed}/${world.name('private')}:1`;
    await makeImage(reference);
    await pushAs(reference, login);
    await docker('rmi', reference);

    const refused = await world.pod({ containers: [{ run: RUN_ON, image: reference }] });
    await world.event(refused, 'Failed', reference);

    const { username, password } = login;
    const name = world.name('login');
    const made = await world.kubectl([
      'create',
      'secret',
      'docker-registry',
      name,
      `--docker-server=${closed}`,
      `--docker-username=${username}`,
      `--docker-password=${password}`,
    ]);
    assert.equal(made.code, 0, made.stderr);
    const pod = await world.ready({
      imagePullSecrets: [{ name }],
      containers: [{ run: RUN_ON, image: reference }],
    });
    assert.equal(isReady(pod), true);
  });

  whole('the node tells its images', async () => {
    await waitFor('the image', async () => {
      const { status } = await api<{ status: { images?: { names: string[] | null; sizeBytes: number }[] } }>(
        'GET',
        `/api/v1/nodes/${NODE}`,
      );
      return status.images?.some(
        ({ names, sizeBytes }) =>
          names?.some((name) => name.includes('registry.k8s.io/pause')) && sizeBytes > 100_000,
      )
        ? true
        : undefined;
    });
  });

  whole('one image under two names', async (world) => {
    const names = [world.name('one'), world.name('two')].map((name) => `${name}:1`);
    const [first = '', second = ''] = names;
    await makeImage(first);
    await docker('tag', first, second);
    const pod = await world.ready({
      containers: names.map((image, n) => ({ name: `c${n}`, run: RUN_ON, image })),
    });
    assert.deepEqual(
      names.map((_, n) => containerOf(pod, `c${n}`)?.image.replace('docker.io/library/', '')),
      names,
    );
  });
});

/** A push with a login that nothing keeps. */
async function pushAs(reference: string, { username, password }: typeof login): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'cridock-kubelet-'));
  try {
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ auths: { [closed]: { auth } } }));
    return await docker('--config', folder, 'push', reference);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
