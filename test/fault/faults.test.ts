import { after, before, describe, it } from 'node:test';
import { noEngine } from '../support/cridock-process.js';
import { FAULT_KINDS } from './faults/kinds.js';
import { Rig } from './faults/rig.js';

/** Each kind with the seed that once broke something, where one did. `run-faults.js` tries as many as wanted. */
const SEED = Number(process.env['CRIDOCK_TEST_SEED'] ?? 1);

const CROWD = 100;

describe('a node under a kubelet', { skip: noEngine }, () => {
  let rig: Rig;

  before(() => {
    rig = new Rig(process.env['CRIDOCK_TEST_ENGINE'] ?? '20.10', 'faults', CROWD);
  });
  after(() => rig.close());

  for (const kind of FAULT_KINDS) {
    it(`${kind.name}: no pod is lost, doubled or stuck (CRIDOCK_TEST_SEED=${SEED})`, async (t) => {
      if (kind.needsPreload && rig.noPreload !== undefined) {
        t.skip(rig.noPreload);
        return;
      }
      await rig.run(kind, SEED);
    });
  }
});
