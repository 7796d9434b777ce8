import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ADJUSTMENTS,
  adjustmentsFact,
  parseAdjustments,
  type Adjustments,
} from '../../../../src/convert/companion/adjustments.js';

const maps = {
  uids: [{ containerID: 0, hostID: 1, size: 2 }],
  gids: [{ containerID: 0, hostID: 3, size: 4 }],
};

describe('adjustments in a label', () => {
  it('are read as they were written', () => {
    const all: Adjustments = {
      userNamespace: maps,
      ambient: ['CAP_CHOWN'],
      mounts: { '/a': { idMaps: maps, options: ['noexec'] }, '/b': { isImage: true } },
    };
    for (const adjustments of [all, {}]) {
      assert.deepEqual(parseAdjustments(adjustmentsFact(adjustments)[ADJUSTMENTS] ?? ''), adjustments);
    }
  });

  it('are an error when they are anything else: less than was asked for must not start', () => {
    const wrong = [
      '',
      'null',
      '7',
      '{"userNamespace":{}}',
      '{"userNamespace":{"uids":[{"containerID":"0","hostID":1,"size":2}],"gids":[]}}',
      '{"ambient":"CAP_CHOWN"}',
      '{"mounts":[null]}',
      '{"mounts":{"/a":{"options":[7]}}}',
    ];
    for (const text of wrong) assert.throws(() => parseAdjustments(text), text);
  });
});
