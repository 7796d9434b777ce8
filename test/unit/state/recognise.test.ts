import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { containerLabels, sandboxLabels } from '../../../src/convert/text/labels.js';
import { NAME } from '../../../src/convert/text/names.js';
import type { ContainerCreateBody, ContainerInspect } from '../../../src/docker/types.js';
import { readRecord, type RecordSources } from '../../../src/state/read-record.js';
import { recognise, type Recognised, type RecognitionSources } from '../../../src/state/recognise.js';
import { Seal } from '../../../src/state/seal.js';
import { silentLogger } from '../../../src/util/log.js';
import { fakeContainer } from '../../support/fake-container.js';

const SANDBOX_ID = 'a'.repeat(64);
const CONTAINER_NAME = 'k8s_app_web_ns_uid_0';
const SANDBOX_NAME = 'k8s_POD_web_ns_uid_0';
const LIMITS = '{"cgroup":[{"file":"memory.limit_in_bytes","value":"1","required":true}]}';
const FIXTURES = join(import.meta.dirname, '../../../../test/fixtures/inspect');

const seal = new Seal({ key: createSecretKey(randomBytes(32)) });

function containerBody(changes: Partial<ContainerCreateBody> = {}): ContainerCreateBody {
  const labels = containerLabels({
    labels: { 'io.kubernetes.pod.name': 'web', app: 'web' },
    annotations: { 'io.kubernetes.container.hash': 'h' },
    own: { [NAME]: CONTAINER_NAME, 'node-limits': LIMITS, 'spec-hash': '1' },
    sandboxId: SANDBOX_ID,
    logPath: '/var/log/pods/web/app/0.log',
  });
  const HostConfig = { NetworkMode: `container:${SANDBOX_ID}`, IpcMode: `container:${SANDBOX_ID}` };
  return { Image: 'sha256:1', Labels: labels, HostConfig, ...changes };
}

const SANDBOX_BODY: ContainerCreateBody = {
  Image: 'pause:1',
  Labels: sandboxLabels({ labels: {}, annotations: {}, own: { [NAME]: SANDBOX_NAME, privileged: 'true' } }),
  HostConfig: { NetworkMode: 'none', IpcMode: 'shareable' },
};

/** The container as Docker makes it: with the image's labels, but for those that it was given itself. */
function made(
  name: string,
  body: ContainerCreateBody,
  ofImage: Record<string, string> = {},
): ContainerInspect {
  return fakeContainer(name, { ...body, Labels: { ...ofImage, ...body.Labels } }, 'sha256:1');
}

async function told(
  inspect: ContainerInspect,
  sources: Partial<RecognitionSources> & { ofImage?: Record<string, string> } = {},
): Promise<Recognised | undefined> {
  return recognise(inspect, {
    seal,
    imageLabels: () => Promise.resolve(sources.ofImage),
    holderOf: () => Promise.resolve(undefined),
    ...sources,
  });
}

/** What `docker commit` of a container makes of its labels: the image's. */
const committed = (inspect: ContainerInspect): Record<string, string> => ({ ...inspect.Config.Labels });

describe('a container with a seal', () => {
  const HOSTILE = {
    'io.cridock.node-limits': '{"cgroup":[{"file":"devices.allow","value":"a","required":true}]}',
    'io.cridock.privileged': 'true',
    'io.cridock.label.x': 'y',
    'annotation.evil': '1',
    'io.kubernetes.container.logpath': '/etc/passwd',
    'io.kubernetes.docker.type': 'podsandbox',
    maintainer: 'x',
  };
  const ours = made(CONTAINER_NAME, seal.onto(CONTAINER_NAME, containerBody()), HOSTILE);

  it('has the labels that it was given, and none of its image', async () => {
    const { sealed, labels, name } = (await told(ours)) ?? assert.fail('not known');
    assert.ok(sealed && labels.kind === 'container');
    assert.equal(name, CONTAINER_NAME);
    assert.deepEqual(labels.labels, { 'io.kubernetes.pod.name': 'web', app: 'web' });
    assert.deepEqual(labels.annotations, { 'io.kubernetes.container.hash': 'h' });
    assert.deepEqual(labels.own, { [NAME]: CONTAINER_NAME, 'node-limits': LIMITS, 'spec-hash': '1' });
    assert.equal(labels.logPath, '/var/log/pods/web/app/0.log');
  });

  it('is known when it was renamed, unless another has its name still', async () => {
    const renamed = { ...ours, Name: '/somebody' };
    assert.equal((await told(renamed))?.name, CONTAINER_NAME);
    assert.equal(await told(renamed, { holderOf: () => Promise.resolve('another') }), undefined);
    assert.equal((await told(renamed, { holderOf: () => Promise.resolve(ours.Id) }))?.name, CONTAINER_NAME);
  });

  it('that was committed and run is nobody of the pod, also when the first one is gone', async () => {
    const ofImage = committed(ours);
    for (const name of ['by-hand', CONTAINER_NAME, 'k8s_app_web_ns_uid_7']) {
      const copy = made(name, { Image: 'committed:run', HostConfig: { NetworkMode: 'default' } }, ofImage);
      assert.equal(await told(copy, { ofImage }), undefined, name);
    }
    const sandbox = made(SANDBOX_NAME, seal.onto(SANDBOX_NAME, SANDBOX_BODY));
    const copy = { Image: 'committed:run', HostConfig: { NetworkMode: 'default', IpcMode: 'private' } };
    const labels = committed(sandbox);
    assert.equal(await told(made('by-hand', copy, labels), { ofImage: labels }), undefined);
  });

  it('keeps no fact when a label of it was changed, or the seal is of another node', async () => {
    const changed = structuredClone(ours);
    changed.Config.Labels = { ...changed.Config.Labels, 'io.cridock.node-limits': '{"cgroup":[]}' };
    assert.equal((await told(changed))?.sealed, false);
    const elsewhere = new Seal({ key: createSecretKey(randomBytes(32)) });
    assert.equal((await told(ours, { seal: elsewhere }))?.sealed, false);
    for (const text of ['', '[]', '{}', 'null', '{"code":"","keys":[]}', '{"code":1,"keys":"x"}']) {
      const broken = structuredClone(ours);
      broken.Config.Labels = { ...broken.Config.Labels, 'io.cridock.seal': text };
      assert.equal((await told(broken))?.sealed, false, text);
    }
  });

  it('is not looked at again while it is as it was, and else is', async () => {
    let opened = 0;
    const sources: RecordSources = {
      seal: { open: (inspect) => ((opened += 1), seal.open(inspect)) },
      imageLabels: () => Promise.resolve({}),
      holderOf: () => Promise.resolve(undefined),
      addresses: () => Promise.resolve(undefined),
      image: () => Promise.resolve({ name: '', ref: '', id: '' }),
      log: silentLogger,
    };
    const first = (await readRecord(ours, sources)) ?? assert.fail('not known');
    const { name, labels, sealed } = first;
    const ended = structuredClone({ ...ours, State: { ...ours.State, ExitCode: 1 } });
    const second = (await readRecord(ended, sources, first)) ?? assert.fail('not known');
    assert.equal(opened, 1);
    assert.deepEqual({ name, labels, sealed }, { name: second.name, labels: second.labels, sealed: true });
    const relabelled = structuredClone(ours);
    relabelled.Config.Labels = { ...relabelled.Config.Labels, 'io.cridock.spec-hash': '2' };
    assert.equal((await readRecord(relabelled, sources, first))?.sealed, false);
    const lessLabels = structuredClone(ours);
    lessLabels.Config.Labels = containerBody().Labels ?? {};
    assert.equal((await readRecord(lessLabels, sources, first))?.sealed, false);
    const otherImage = structuredClone(ours);
    otherImage.Config.Image = 'sha256:2';
    assert.equal((await readRecord(otherImage, sources, first))?.sealed, false);
    const copied = { ...sources, holderOf: () => Promise.resolve('another') };
    assert.equal(await readRecord({ ...ours, Name: '/somebody' }, copied, first), undefined);
    const elsewhere = structuredClone(ours);
    elsewhere.HostConfig.NetworkMode = 'default';
    assert.equal(await readRecord(elsewhere, sources, first), undefined);
  });

  it('lists keys of any text', async () => {
    const Labels = { ...containerBody().Labels, __proto__x: '1', 'a"b\n': 'ü', constructor: 'c' };
    const odd = made(CONTAINER_NAME, seal.onto(CONTAINER_NAME, containerBody({ Labels })));
    assert.equal((await told(odd))?.labels.labels['constructor'], 'c');
  });
});

describe('a container without one', () => {
  const read = (file: string) => JSON.parse(readFileSync(join(FIXTURES, file), 'utf8')) as ContainerInspect;

  it('of cri-dockerd is known by its name and what it joins', async () => {
    assert.equal((await told(read('cri-dockerd-sandbox.json')))?.labels.kind, 'sandbox');
    assert.equal((await told(read('cri-dockerd-container.json')))?.labels.kind, 'container');
  });

  it('of an older version is known, also renamed, with what its image does not tell', async () => {
    const ofImage = { app: 'web', 'io.cridock.privileged': 'true', 'annotation.evil': '1' };
    const older = made(CONTAINER_NAME, containerBody(), { ...ofImage, other: 'x' });
    const { sealed, labels } = (await told(older, { ofImage: { ...ofImage, other: 'x' } })) ?? assert.fail();
    assert.equal(sealed, false);
    assert.deepEqual(labels.labels, { 'io.kubernetes.pod.name': 'web' });
    assert.deepEqual(labels.annotations, { 'io.kubernetes.container.hash': 'h' });
    assert.equal(labels.own['privileged'], undefined);
    assert.equal((await told({ ...older, Name: '/renamed' }))?.name, CONTAINER_NAME);
    const holderOf = () => Promise.resolve('another');
    assert.equal(await told({ ...older, Name: '/copy' }, { holderOf }), undefined);
  });

  it('is not known by labels alone', async () => {
    const places = [{}, { NetworkMode: 'default' }, { NetworkMode: `container:${'b'.repeat(64)}` }];
    for (const HostConfig of places) {
      assert.equal(await told(made(CONTAINER_NAME, containerBody({ HostConfig }))), undefined);
    }
    const inPod = { ...SANDBOX_BODY, HostConfig: { NetworkMode: `container:${SANDBOX_ID}` } };
    assert.equal(await told(made(SANDBOX_NAME, inPod)), undefined);
    assert.equal(await told(made('by-hand', { ...SANDBOX_BODY, Labels: {} })), undefined);
  });
});
