import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  differenceOf,
  programOf,
  readPodManifest,
  writePodManifest,
} from '../../../../src/convert/checkpoint/pod-manifest.js';
import type { ContainerInspect } from '../../../../src/docker/types.js';

const inspect = {
  Image: `sha256:${'1'.repeat(64)}`,
  Path: 'sh',
  Args: ['-c', 'exit 0'],
  Config: { Image: 'x', Env: ['B=2', 'A=1'], WorkingDir: '/', User: '1:1', Tty: false },
  HostConfig: {},
} as unknown as ContainerInspect;
const member = { name: 'one', id: 'a'.repeat(64), ...programOf(inspect) };
const manifest = { runtimeHandler: 'runc', containers: [member] };

describe('the manifest of a pod', () => {
  it('is read as it was written', () => {
    assert.deepEqual(readPodManifest(writePodManifest(manifest)), manifest);
  });

  it('of others is refused', () => {
    const written = JSON.parse(writePodManifest(manifest)) as Record<string, unknown>;
    const changed = (change: object): string =>
      JSON.stringify({ ...written, containers: [{ ...member, ...change }] });
    const texts = [
      ...['', '{', 'null', '[]', '{}'],
      JSON.stringify({ ...written, version: 2 }),
      JSON.stringify({ ...written, runtimeHandler: 1 }),
      JSON.stringify({ ...written, containers: {} }),
      JSON.stringify({ ...written, containers: [null] }),
      JSON.stringify({ ...written, containers: new Array(10_001).fill(member) }),
      ...[
        { id: '../../x' },
        { id: 1 },
        { name: null },
        { image: 1 },
        { program: 'sh' },
        { program: [1] },
      ].map(changed),
      ...[{ environment: {} }, { workingDirectory: 0 }, { user: [] }, { tty: 'x' }].map(changed),
    ];
    for (const text of texts) assert.throws(() => readPodManifest(text), Error, text.slice(0, 100));
  });
});

describe('what a restored container is asked for with', () => {
  it('may have its environment in another order, and differs by name', () => {
    const { Config } = inspect;
    const difference = (change: Partial<ContainerInspect>): string | undefined =>
      differenceOf(programOf({ ...inspect, ...change }), member);
    assert.equal(difference({ Config: { ...Config, Env: ['A=1', 'B=2'] } }), undefined);
    assert.equal(difference({ Image: 'other' }), 'image');
    assert.equal(difference({ Args: ['-c'] }), 'command or args');
    assert.equal(difference({ Config: { ...Config, Env: ['A=1'] } }), 'envs');
    assert.equal(difference({ Config: { ...Config, WorkingDir: '/tmp' } }), 'working_dir');
    assert.equal(difference({ Config: { ...Config, User: '' } }), 'user');
    assert.equal(difference({ Config: { ...Config, Tty: true } }), 'tty');
  });
});
