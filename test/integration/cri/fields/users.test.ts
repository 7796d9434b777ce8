import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LinuxContainerSecurityContext } from '../../../../src/gen/runtime/v1/LinuxContainerSecurityContext.js';
import { SupplementalGroupsPolicy } from '../../../../src/gen/runtime/v1/SupplementalGroupsPolicy.js';
import { noEngine, testDockerEndpoint } from '../../../support/cridock-process.js';
import { makeImage } from '../../../support/images.js';
import { environmentOf, identityOf } from '../../../support/process-truth.js';
import { refusal, TestNode, type TestPod } from '../../../support/test-node.js';

const IMAGE = 'cridock.test/users:latest';
const IMAGE_WITH_USER = 'cridock.test/users:with-user';
const FILES = {
  'etc/passwd': 'root:x:0:0::/:/bin/sh\nwww:x:1000:1001::/home/www:/bin/sh\n',
  'etc/group': 'root:x:0:\nwww:x:1001:\nextra:x:50000:www,root\nmore:x:50001:www\n',
};
const { Strict, Merge } = SupplementalGroupsPolicy;

/** What is asked for, and the uid, gid and groups that the process must have. */
const ROWS: [name: string, asked: LinuxContainerSecurityContext, identity: [number, number, number[]]][] = [
  ['nobody in particular', {}, [0, 0, [0, 50000]]],
  ['run_as_user', { run_as_user: { value: 1000 } }, [1000, 1001, [1001, 50000, 50001]]],
  ['run_as_user 0', { run_as_user: { value: 0 } }, [0, 0, [0, 50000]]],
  ['a run_as_user that the image does not know', { run_as_user: { value: 4711 } }, [4711, 0, [0]]],
  ['run_as_username', { run_as_username: 'www' }, [1000, 1001, [1001, 50000, 50001]]],
  [
    'run_as_group',
    { run_as_user: { value: 1000 }, run_as_group: { value: 7 } },
    [1000, 7, [7, 50000, 50001]],
  ],
  [
    'supplemental_groups',
    { run_as_user: { value: 1000 }, supplemental_groups: [60000] },
    [1000, 1001, [1001, 50000, 50001, 60000]],
  ],
  [
    'supplemental_groups_policy Merge, with a group',
    {
      run_as_username: 'www',
      run_as_group: { value: 7 },
      supplemental_groups: [60000],
      supplemental_groups_policy: Merge,
    },
    [1000, 7, [7, 50000, 50001, 60000]],
  ],
  [
    'supplemental_groups_policy Strict',
    { run_as_user: { value: 1000 }, supplemental_groups: [60000], supplemental_groups_policy: Strict },
    [1000, 1001, [1001, 60000]],
  ],
  [
    'supplemental_groups_policy Strict, with a group',
    { run_as_user: { value: 1000 }, run_as_group: { value: 7 }, supplemental_groups_policy: Strict },
    [1000, 7, [7]],
  ],
  ['supplemental_groups_policy Strict, with nothing', { supplemental_groups_policy: Strict }, [0, 0, [0]]],
];

describe('users and groups of a container', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  /** What a cridock that was killed has left on this Engine before: no other one takes it for its own. */
  let ofOthers: string[];
  const scratch = async () => (await node.engine.listContainers(['io.cridock.scratch'])).map(({ Id }) => Id);

  before(async () => {
    const socketPath = testDockerEndpoint.replace(/^unix:\/\//, '');
    await makeImage(socketPath, IMAGE, { CMD: '["/bin/sh"]' }, FILES);
    await makeImage(socketPath, IMAGE_WITH_USER, { CMD: '["/bin/sh"]', USER: 'www:more' }, FILES);
    node = await TestNode.start();
    ofOthers = await scratch();
    pod = await node.pod();
  });
  after(async () => {
    await node.close();
  });

  const check = async (
    image: string,
    security: LinuxContainerSecurityContext,
    [uid, gid, groups]: [number, number, number[]],
  ): Promise<void> => {
    const { id, pid } = await node.start(pod, { image: { image }, security });
    const real = identityOf(pid);
    assert.deepEqual({ uid: real.uid, gid: real.gid }, { uid, gid });
    // Engines from 20.10.18 on list the primary group among the others too.
    assert.deepEqual(
      [...new Set([gid, ...real.groups])].sort((a, b) => a - b),
      groups,
    );
    const { user } = await node.status(id);
    const told = (user?.linux?.supplemental_groups ?? []).map(Number).sort((a, b) => a - b);
    assert.deepEqual([Number(user?.linux?.uid), Number(user?.linux?.gid), told], [uid, gid, groups]);
  };

  for (const [name, asked, identity] of ROWS) {
    it(`${name}: the process and ContainerStatus.user agree`, () => check(IMAGE, asked, identity));
  }

  it("the image's own user and group, with the user's groups", () =>
    check(IMAGE_WITH_USER, {}, [1000, 50001, [50000, 50001]]));

  it("Strict keeps the groups of the image's own user out", () =>
    check(IMAGE_WITH_USER, { supplemental_groups_policy: Strict }, [1000, 50001, [50001]]));

  it('the home folder is that of the user', async () => {
    const { pid } = await node.start(pod, {
      image: { image: IMAGE },
      security: { run_as_user: { value: 1000 } },
    });
    assert.ok(environmentOf(pid).includes('HOME=/home/www'));
  });

  it('ContainerStatus.user stays after the end', async () => {
    const { id } = await node.start(pod, {
      image: { image: IMAGE },
      security: { run_as_user: { value: 1000 } },
    });
    await node.runtime.StopContainer({ container_id: id, timeout: 0 });
    assert.equal((await node.status(id)).user?.linux?.uid, '1000');
  });

  const refused: [string, LinuxContainerSecurityContext, string][] = [
    ['a name that the image does not know', { run_as_username: 'nobody-here' }, 'run_as_username'],
    ['a group without a user', { run_as_group: { value: 1 } }, 'run_as_group'],
    ['an unknown policy', { supplemental_groups_policy: 9 as never }, 'supplemental_groups_policy'],
  ];
  for (const [name, security, field] of refused) {
    it(`refuses ${name}`, async () => {
      const { code, text } = await refusal(node.create(pod, { image: { image: IMAGE }, security }));
      assert.equal(code, 'INVALID_ARGUMENT');
      assert.match(text, new RegExp(`security_context\\.${field}`));
    });
  }

  it('leaves no container behind from looking into images', async () => {
    assert.deepEqual(
      (await scratch()).filter((id) => !ofOthers.includes(id)),
      [],
    );
  });
});
