import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pinnedBy } from '../../../../src/convert/image/pinned-images.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER_DIGEST = `sha256:${'b'.repeat(64)}`;

describe('pinnedBy', () => {
  const cases = [
    { pattern: 'registry.k8s.io/pause:3.10', pins: ['registry.k8s.io/pause:3.10'] },
    {
      pattern: `registry.k8s.io/pause@${DIGEST}`,
      pins: [`registry.k8s.io/pause@${DIGEST}`],
    },
    {
      pattern: `registry.k8s.io/pause:3.10@${DIGEST}`,
      pins: [`registry.k8s.io/pause@${DIGEST}`],
    },
    {
      pattern: 'registry.k8s.io/pause',
      pins: ['registry.k8s.io/pause:3.10', `registry.k8s.io/pause@${DIGEST}`],
    },
    { pattern: 'registry.k8s.io/p*', pins: ['registry.k8s.io/pause:3.10'] },
    { pattern: 'busybox:1', pins: ['docker.io/library/busybox:1'] },
  ];
  for (const { pattern, pins } of cases) {
    it(`${pattern} pins ${pins.join(' and ')}`, () => {
      const isPinned = pinnedBy([pattern]);
      for (const name of pins) assert.ok(isPinned(name), name);
      for (const name of [`registry.k8s.io/other@${DIGEST}`, `registry.k8s.io/xpause@${OTHER_DIGEST}`]) {
        assert.ok(!isPinned(name), name);
      }
    });
  }

  it('a digest decides: what else has the tag beside it is not pinned', () => {
    const isPinned = pinnedBy([`registry.k8s.io/pause:3.10@${DIGEST}`]);
    assert.ok(!isPinned('registry.k8s.io/pause:3.10'));
    assert.ok(!isPinned(`registry.k8s.io/pause@${OTHER_DIGEST}`));
  });
});
