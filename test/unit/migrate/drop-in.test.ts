import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dropInFor } from '../../../src/migrate/drop-in.js';

const UNIT = `# /lib/systemd/system/cri-docker.service
[Service]
Type=notify
ExecStart=/usr/bin/cri-dockerd --container-runtime-endpoint fd://
ExecReload=/bin/kill -s HUP $MAINPID
`;

function execStart(dropIn: string | undefined): string | undefined {
  return dropIn?.split('\n').findLast((line) => line.startsWith('ExecStart='));
}

describe('dropInFor', () => {
  it('keeps the flags of the unit to the letter', () => {
    assert.equal(
      execStart(dropInFor(UNIT, ['/usr/bin/cridock'])),
      'ExecStart=/usr/bin/cridock --container-runtime-endpoint fd://',
    );
  });

  it("goes by the last drop-in, such as minikube's, with its quotes and its broken lines", () => {
    const dropIn = `# /etc/systemd/system/cri-docker.service.d/10-cni.conf
[Service]
ExecStart=
ExecStart=-/usr/bin/cri-dockerd --container-runtime-endpoint fd:// \\
  --network-plugin="" --hairpin-mode=hairpin-veth
`;
    assert.equal(
      execStart(dropInFor(UNIT + dropIn, ['/usr/bin/node', '/opt/main.js'])),
      'ExecStart=-/usr/bin/node /opt/main.js --container-runtime-endpoint fd:// --network-plugin="" --hairpin-mode=hairpin-veth',
    );
  });

  it('resets the command before it gives another, as a service that is not oneshot may have one only', () => {
    const lines = dropInFor(UNIT, ['/usr/bin/cridock'])?.split('\n') ?? [];
    assert.equal(lines[lines.indexOf('[Service]') + 1], 'ExecStart=');
  });

  it('has nothing to do where cridock serves already, and where nothing does', () => {
    assert.equal(dropInFor(UNIT, ['/usr/bin/cri-dockerd']), undefined);
    assert.equal(dropInFor('[Service]\nExecStart=\n', ['/usr/bin/cridock']), undefined);
  });
});
