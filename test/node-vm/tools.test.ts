import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { BUSYBOX, ROOT, noNode, onNode, onlyInFull } from './node.js';

const noTools: string | false =
  noNode ||
  (process.env['CRIDOCK_TEST_NODE_TOOLS'] === undefined ? 'no Go to build crictl and critest with' : false);

/** Runs critest on the node, as a whole or the specs that match; gives back the closing line. */
function critest(focus?: string): string {
  const script = path.join(ROOT, 'test/node-vm/critest.sh');
  const { stdout } = spawnSync(script, ['--running', ...(focus === undefined ? [] : [focus])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  console.log(stdout.trim());
  return stdout.trim().split('\n').at(-1) ?? '';
}

describe('crictl', { skip: noTools }, () => {
  const pod = {
    metadata: { name: 'crictl', namespace: 'node-vm', uid: 'uid-crictl', attempt: 1 },
    log_directory: '/var/log/pods/crictl',
    linux: {},
  };
  const container = {
    metadata: { name: 'sleeper' },
    image: { image: BUSYBOX },
    command: ['sh', '-c', 'echo written; sleep 100000'],
    log_path: 'sleeper.log',
    linux: {},
  };

  it("leads a pod's whole life", async () => {
    const crictl = 'crictl --timeout 600s';
    const script = [
      `cd /root; echo '${JSON.stringify(pod)}' >pod.json; echo '${JSON.stringify(container)}' >container.json`,
      `${crictl} info | jq -e '[.status.conditions[] | select(.type == "RuntimeReady" or .type == "NetworkReady") | .status] == [true, true]'`,
      `${crictl} pull ${BUSYBOX}; ${crictl} images | grep busybox`,
      `pod=$(${crictl} runp pod.json | tail -n 1)`,
      `${crictl} inspectp $pod | jq -e '.status.network.ip | length > 0'`,
      `id=$(${crictl} create $pod container.json pod.json | tail -n 1); ${crictl} start $id`,
      `${crictl} ps --quiet --no-trunc | grep -x $id`,
      `for transport in spdy websocket; do ${crictl} exec --transport $transport $id echo over $transport | grep -x "over $transport"; done`,
      `${crictl} exec --sync $id cat /proc/1/attr/current | grep docker-default`,
      `${crictl} logs $id | grep -x written; ${crictl} stats --id $id; ${crictl} statsp --id $pod`,
      `${crictl} stop --timeout 0 $id; ${crictl} rm $id; ${crictl} stopp $pod; ${crictl} rmp $pod`,
      `[ -z "$(${crictl} pods --quiet --id $pod)" ]`,
    ];
    await onNode(script.join('\n'));
  });
});

describe('critest', { skip: noTools }, () => {
  it('passes AppArmor', { skip: onlyInFull === false && 'it is in the whole' }, () => {
    assert.equal(critest('AppArmor'), '9 passed, 0 failed, 0 skipped');
  });

  it('passes as a whole', { skip: onlyInFull || noTools }, () => {
    assert.match(critest(), / 0 failed, /);
  });
});
