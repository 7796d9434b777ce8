import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerUser, identityText, userAndGroups } from '../../../../src/convert/security/user.js';
import { SupplementalGroupsPolicy } from '../../../../src/gen/runtime/v1/SupplementalGroupsPolicy.js';
import { securityContext } from '../decoded.js';
import { assertRefused } from '../refusals.js';

const FIELD = 'config.linux.security_context';
const image = {
  user: '',
  accounts: {
    passwd: 'root:x:0:0::/:/bin/sh\nwww:x:1:100::/:\n\nodd\n',
    group: 'root:x:0:\nusers:x:100:\na:x:7:www,other\nb:x:8:other,www\nc:x:9:wwww\n',
  },
};
const askedFor = (change: object = {}, user = '') =>
  userAndGroups(securityContext(change), { ...image, user });
const strict = { supplemental_groups_policy: SupplementalGroupsPolicy.Strict };

describe('userAndGroups', () => {
  it("leaves the image's user and groups to Docker, and knows them", () => {
    const root = { uid: 0, gid: 0, groups: [0] };
    assert.deepEqual(askedFor(), { User: '', GroupAdd: [], identity: root });
    assert.deepEqual(askedFor({ supplemental_groups: [5, 6, 5] }), {
      User: '',
      GroupAdd: ['5', '6'],
      identity: { ...root, groups: [0, 5, 6] },
    });
    assert.deepEqual(askedFor({}, 'www').identity, { uid: 1, gid: 100, groups: [100, 7, 8] });
    assert.deepEqual(askedFor({}, '77').identity, { uid: 77, gid: 0, groups: [0] });
  });

  it("adds the user's groups where the image names a group beside its user", () => {
    assert.deepEqual(askedFor({}, 'www:users'), {
      User: 'www:100',
      GroupAdd: ['7', '8'],
      identity: { uid: 1, gid: 100, groups: [100, 7, 8] },
    });
  });

  it('tells user 0 from no user', () => {
    assert.equal(askedFor({ run_as_user: { value: 0 } }, 'www').User, '0');
    assert.equal(askedFor({ run_as_user: { value: 0 } }, 'www').identity.uid, 0);
  });

  it('takes a user by number or name, and a group', () => {
    assert.equal(askedFor({ run_as_username: 'www' }).User, 'www');
    assert.deepEqual(askedFor({ run_as_user: { value: 5 }, run_as_group: { value: 2 } }), {
      User: '5:2',
      GroupAdd: [],
      identity: { uid: 5, gid: 2, groups: [2] },
    });
  });

  it("adds the image's groups by hand where a group is named under policy Merge", () => {
    const change = { run_as_user: { value: 1 }, run_as_group: { value: 2 }, supplemental_groups: [7, 9] };
    const { User, GroupAdd } = askedFor(change);
    assert.deepEqual({ User, GroupAdd }, { User: '1:2', GroupAdd: ['7', '9', '8'] });
  });

  it("keeps the image's groups out under policy Strict", () => {
    const change = { ...strict, run_as_user: { value: 1 }, supplemental_groups: [9] };
    assert.deepEqual(askedFor(change), {
      User: '1:100',
      GroupAdd: ['9'],
      identity: { uid: 1, gid: 100, groups: [100, 9] },
    });
    assert.equal(askedFor({ ...strict }).User, '0:0');
    assert.equal(askedFor({ ...strict }, 'www:9').User, 'www:9');
  });

  it('comes back from the label it is kept in', () => {
    const { identity } = askedFor({}, 'www');
    assert.deepEqual(containerUser(identityText(identity)), {
      linux: { uid: '1', gid: '100', supplemental_groups: ['100', '7', '8'] },
    });
    assert.equal(containerUser(undefined), null);
  });

  it('refuses what is malformed', () => {
    const refuse = (change: object, field: string) => {
      assertRefused(() => askedFor(change), `${FIELD}.${field}`);
    };
    refuse({ run_as_group: { value: 1 } }, 'run_as_group');
    refuse({ run_as_user: { value: -1 } }, 'run_as_user');
    refuse({ run_as_user: { value: 2 ** 31 } }, 'run_as_user');
    refuse({ run_as_user: { value: 1 }, run_as_username: 'a' }, 'run_as_username');
    refuse({ run_as_username: 'a:0' }, 'run_as_username');
    refuse({ run_as_username: 'nobody-here' }, 'run_as_username');
    refuse({ supplemental_groups: [1, -1] }, 'supplemental_groups[1]');
    refuse({ supplemental_groups_policy: 2 }, 'supplemental_groups_policy');
    assertRefused(() => askedFor({}, 'nobody-here'), 'config.image');
    assertRefused(() => askedFor({}, 'www:no-group'), 'config.image');
  });
});
