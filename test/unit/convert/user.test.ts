import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { userAndGroups } from '../../../src/convert/user.js';
import { SupplementalGroupsPolicy } from '../../../src/gen/runtime/v1/SupplementalGroupsPolicy.js';
import { securityContext } from './decoded.js';
import { assertRefused } from './refusals.js';

const FIELD = 'config.linux.security_context';
const imageUser = { gid: 100, supplementalGroups: [7, 8] };
const strict = { supplemental_groups_policy: SupplementalGroupsPolicy.Strict };

describe('userAndGroups', () => {
  it("leaves the image's user and groups", () => {
    assert.deepEqual(userAndGroups(securityContext()), { User: '', GroupAdd: [] });
    const groups = securityContext({ supplemental_groups: [5, 6, 5] });
    assert.deepEqual(userAndGroups(groups), { User: '', GroupAdd: ['5', '6'] });
  });

  it('tells user 0 from no user', () => {
    assert.equal(userAndGroups(securityContext({ run_as_user: { value: 0 } })).User, '0');
  });

  it('takes a user by number or name, and a group', () => {
    assert.equal(userAndGroups(securityContext({ run_as_username: 'www' })).User, 'www');
    const both = securityContext({ run_as_user: { value: 1 }, run_as_group: { value: 2 } });
    assert.deepEqual(userAndGroups(both), { User: '1:2', GroupAdd: [] });
  });

  it("adds the image's groups by hand where a group is named under policy Merge", () => {
    const context = securityContext({
      run_as_user: { value: 1 },
      run_as_group: { value: 2 },
      supplemental_groups: [7, 9],
    });
    assert.deepEqual(userAndGroups(context, imageUser), { User: '1:2', GroupAdd: ['7', '9', '8'] });
  });

  it("keeps the image's groups out under policy Strict", () => {
    const context = securityContext({ ...strict, run_as_user: { value: 1 }, supplemental_groups: [9] });
    assert.deepEqual(userAndGroups(context, imageUser), { User: '1:100', GroupAdd: ['9'] });
    assertRefused(() => userAndGroups(context), `${FIELD}.supplemental_groups_policy`, 'UNIMPLEMENTED');
    const withGroup = securityContext({ ...strict, run_as_user: { value: 1 }, run_as_group: { value: 2 } });
    assert.deepEqual(userAndGroups(withGroup), { User: '1:2', GroupAdd: [] });
  });

  it('refuses what is malformed', () => {
    const refuse = (change: object, field: string) => {
      assertRefused(() => userAndGroups(securityContext(change)), `${FIELD}.${field}`);
    };
    refuse({ run_as_group: { value: 1 } }, 'run_as_group');
    refuse({ run_as_user: { value: -1 } }, 'run_as_user');
    refuse({ run_as_user: { value: 2 ** 31 } }, 'run_as_user');
    refuse({ run_as_user: { value: 1 }, run_as_username: 'a' }, 'run_as_username');
    refuse({ run_as_username: 'a:0' }, 'run_as_username');
    refuse({ supplemental_groups: [1, -1] }, 'supplemental_groups[1]');
  });
});
