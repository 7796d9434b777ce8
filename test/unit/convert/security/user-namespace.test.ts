import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  askedUserNamespace,
  checkSameUserNamespace,
} from '../../../../src/convert/security/user-namespace.js';
import type { NamespaceOption } from '../../../../src/gen/runtime/v1/NamespaceOption.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import type { UserNamespace } from '../../../../src/gen/runtime/v1/UserNamespace.js';
import { securityContext } from '../decoded.js';
import { assertRefused } from '../refusals.js';

const { POD, CONTAINER, NODE, TARGET } = NamespaceMode;
const OPTIONS = 'config.linux.security_context.namespace_options';
const FIELD = `${OPTIONS}.userns_options`;
const one = [{ host_id: 200000, container_id: 0, length: 65536 }];
const maps = [{ containerID: 0, hostID: 200000, size: 65536 }];

function decodedOptions(options: NamespaceOption) {
  return securityContext({ namespace_options: options }).namespace_options;
}
const asked = (userns: UserNamespace, others: NamespaceOption = {}) =>
  askedUserNamespace(decodedOptions({ ...others, userns_options: userns }));

describe('the user namespace that is asked for', () => {
  it("is the node's unless a mapping says another", () => {
    assert.equal(askedUserNamespace(null), undefined);
    assert.equal(askedUserNamespace(decodedOptions({})), undefined);
    assert.equal(asked({ mode: NODE }), undefined);
    assert.deepEqual(asked({ mode: POD, uids: one, gids: one }), { uids: maps, gids: maps });
  });

  it('is refused where it is malformed', () => {
    assertRefused(() => asked({ mode: NODE, uids: one }), FIELD);
    for (const mode of [CONTAINER, TARGET, 9 as 0]) {
      assertRefused(() => asked({ mode, uids: one, gids: one }), `${FIELD}.mode`);
    }
    assertRefused(() => asked({}), `${FIELD}.uids`);
    assertRefused(() => asked({ uids: one }), `${FIELD}.gids`);
    assertRefused(() => asked({ uids: [...one, ...one], gids: one }), `${FIELD}.uids`);
    const wrong = (change: object, field: string) =>
      assertRefused(
        () => asked({ uids: [{ ...one[0], ...change }], gids: one }),
        `${FIELD}.uids[0].${field}`,
      );
    wrong({ container_id: 1 }, 'container_id');
    wrong({ length: 0 }, 'length');
    wrong({ host_id: 4294967295 }, 'host_id');
    wrong({ length: 4294967295 }, 'host_id');
  });

  it("does not go with the node's namespaces", () => {
    const userns = { uids: one, gids: one };
    assertRefused(() => asked(userns, { pid: NODE }), `${OPTIONS}.pid`);
    assertRefused(() => asked(userns, { ipc: NODE }), `${OPTIONS}.ipc`);
    assertRefused(() => asked(userns, { network: NODE }), FIELD, 'UNIMPLEMENTED');
  });

  it("of a container is its pod's", () => {
    const same = decodedOptions({ userns_options: { uids: one, gids: one }, pid: CONTAINER });
    checkSameUserNamespace(same, { uids: maps, gids: maps });
    checkSameUserNamespace(decodedOptions({ userns_options: { mode: NODE } }), undefined);
    assertRefused(() => checkSameUserNamespace(same, undefined), FIELD);
    assertRefused(() => checkSameUserNamespace(null, { uids: maps, gids: maps }), FIELD);
  });
});
