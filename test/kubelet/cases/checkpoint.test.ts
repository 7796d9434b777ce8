import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { api, ApiError } from '../support/api.js';
import { NODE, cluster } from '../support/cluster.js';
import { subject } from '../support/pod-case.js';

/** As run.sh finds them. */
const { CRIDOCK_TEST_CRIU: criu, CRIDOCK_TEST_CHECKPOINTCTL: checkpointctl } = process.env;
const COUNTER = "trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done";

/** What the kubelet answers. */
interface Checkpointed {
  readonly items: readonly string[];
}

subject('checkpoint', ({ quick }) => {
  if (criu === undefined || criu === '') {
    it('checkpoints', { skip: 'no criu can be had here' }, () => undefined);
    return;
  }

  quick("the kubelet's endpoint makes an archive, and the container runs on", async (world) => {
    const pod = await world.ready({ run: COUNTER });
    const { namespace, name } = pod.metadata;
    const target = `/api/v1/nodes/${NODE}/proxy/checkpoint/${namespace}/${name}/main`;
    const { items } = await api<Checkpointed>('POST', target);
    const [archive = ''] = items;
    assert.equal(path.dirname(archive), path.join(cluster.data, 'kubelet/checkpoints'));
    assert.ok(existsSync(archive), archive);
    assert.equal(statSync(archive).mode & 0o777, 0o600);
    if (checkpointctl !== undefined && checkpointctl !== '') {
      const list = execFileSync(checkpointctl, ['list', path.dirname(archive)], { encoding: 'utf8' });
      const row = list.split('\n').find((line) => line.includes(path.basename(archive)));
      assert.ok(row !== undefined, list);
      for (const word of [namespace, name, 'main']) assert.ok(row.includes(word), row);
      assert.doesNotMatch(list, /error/i);
      const shown = execFileSync(checkpointctl, ['inspect', archive, '--all'], { encoding: 'utf8' });
      for (const word of ['busybox', 'Overview of mounts', 'Process tree', 'CRIU dump statistics']) {
        assert.ok(shown.toLowerCase().includes(word.toLowerCase()), `${word} in ${shown}`);
      }
    }
    const before = (await world.logs(pod, 'container=main')).trim().split('\n').length;
    const after = await world.until(pod, 'the same container', ({ status }) => status.phase === 'Running');
    assert.equal(after.status.containerStatuses?.[0]?.restartCount, 0);
    for (let lines = before; lines <= before + 2;) {
      lines = (await world.logs(pod, 'container=main')).trim().split('\n').length;
    }
    const unknown = api('POST', target.replace(/main$/, 'other'));
    await assert.rejects(unknown, (error: unknown) => error instanceof ApiError && error.status === 404);
  });
});
