import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { BUSYBOX, ROOT, noNode, onNode, onlyInFull, vm } from './node.js';

const noTools: string | false =
  noNode ||
  (process.env['CRIDOCK_TEST_NODE_TOOLS'] === undefined ? 'no Go to build crictl and critest with' : false);

/** Specs of critest whose names match; gives back the closing line. Throws what failed. */
async function critest(focus: string | undefined): Promise<string> {
  const flags = focus === undefined ? '' : `-ginkgo.focus '${focus}'`;
  const endpoint = 'unix:///run/cri-dockerd.sock';
  await onNode(
    `cd /; rm -f /root/report.json; critest -config /dev/null -runtime-endpoint ${endpoint} -image-endpoint ${endpoint} \
      -ginkgo.no-color -ginkgo.seed 1 -ginkgo.timeout 5h -ginkgo.json-report /root/report.json ${flags} >/root/critest.log 2>&1 || true
    test -s /root/report.json`,
  );
  const work = mkdtempSync(path.join(tmpdir(), 'cridock-critest-'));
  try {
    await vm('get', '/root/report.json', '/root/critest.log', work);
    const report = path.join(ROOT, 'dist/test/conformance/critest-report.js');
    const exceptions = path.join(ROOT, 'test/conformance/exceptions.txt');
    const told = execFileSync(process.execPath, [report, path.join(work, 'report.json'), exceptions], {
      encoding: 'utf8',
    });
    console.log(told.trim());
    return told.trim().split('\n').at(-1) ?? '';
  } finally {
    rmSync(work, { recursive: true });
  }
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
  it('passes AppArmor', async () => {
    assert.equal(await critest('AppArmor'), '9 passed, 0 failed, 0 skipped');
  });

  for (const group of ['Security Context', ' stats | metrics']) {
    it(`passes ${group.trim()}`, { skip: onlyInFull || noTools }, async () => {
      assert.match(await critest(group), / 0 failed, /);
    });
  }

  it('passes as a whole', { skip: onlyInFull || noTools }, async () => {
    assert.match(await critest(undefined), / 0 failed, /);
  });
});
