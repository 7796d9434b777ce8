import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dropInFor } from '../../../src/migrate/drop-in.js';
import { execStartOf } from '../../../src/unit/exec-start.js';

const UNIT = `# /lib/systemd/system/cri-docker.service
[Service]
Type=notify
ExecStart=/usr/bin/cri-dockerd --container-runtime-endpoint fd://
ExecReload=/bin/kill -s HUP $MAINPID
`;

/** The drop-in for a unit of this text. */
function dropInOf(unitText: string, program: readonly string[]): string {
  const command = execStartOf(unitText);
  assert.ok(command);
  return dropInFor(command, program);
}

function execStart(dropIn: string | undefined): string | undefined {
  return dropIn?.split('\n').findLast((line) => line.startsWith('ExecStart='));
}

describe('dropInFor', () => {
  it('keeps the flags of the unit to the letter', () => {
    assert.equal(
      execStart(dropInOf(UNIT, ['/usr/bin/cridock'])),
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
      execStart(dropInOf(UNIT + dropIn, ['/usr/bin/node', '/opt/main.js'])),
      'ExecStart=-/usr/bin/node /opt/main.js --container-runtime-endpoint fd:// --network-plugin="" --hairpin-mode=hairpin-veth',
    );
  });

  it('resets the command before it gives another, as a service that is not oneshot may have one only', () => {
    const lines = dropInOf(UNIT, ['/usr/bin/cridock']).split('\n');
    assert.equal(lines[lines.indexOf('[Service]') + 1], 'ExecStart=');
  });

  it('has nothing to go by where a unit starts nothing', () => {
    assert.equal(execStartOf('[Service]\nExecStart=\n'), undefined);
  });
});
