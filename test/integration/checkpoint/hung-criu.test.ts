import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { noEngine } from '../../support/cridock-process.js';
import { testCriu, withCriu } from '../../support/criu.js';
import { statusOf } from '../../support/process-truth.js';
import { refusal, TestNode } from '../../support/test-node.js';
import { until } from '../../support/until.js';

const criu = noEngine === false ? testCriu() : { missing: noEngine };
const noCriu = 'missing' in criu && criu.missing;
const folder = 'folder' in criu ? criu.folder : '';

const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done';
/** Large enough for criu to be met while it is at it. */
const MEMORY_BYTES = 128 * 2 ** 20;
const HOLDS_MEMORY = `tail -c ${MEMORY_BYTES} /dev/zero & ${COUNTER}`;

describe('a criu that hangs', { skip: noCriu }, () => {
  it('keeps neither the rest of the pod still nor anybody waiting, and its container can be removed once it is killed', async (t) => {
    const node = await TestNode.start([], withCriu(folder));
    let tracer = 0;
    t.after(async () => {
      // What criu holds cannot be removed.
      if (tracer !== 0) endProcess(tracer);
      await node.close();
    });
    const pod = await node.pod();
    const hung = await node.start(pod, { metadata: { name: 'hung' }, run: HOLDS_MEMORY });
    const sibling = await node.start(pod, { metadata: { name: 'sibling' }, run: COUNTER });
    await node.holdsMemory(hung.id, MEMORY_BYTES);
    const output = join(node.cridock.directory, 'pod');
    mkdirSync(output);
    const controller = new AbortController();
    const request = {
      pod_sandbox_id: pod.id,
      output_path: output,
      container_ids: [hung.id, sibling.id],
      options: {},
    };
    const call = node.cridock.client.runtime.CheckpointPod(request, { signal: controller.signal });
    const outcome = refusal(call);
    // criu holds processes as a debugger does.
    const endMs = performance.now() + 60_000;
    while (tracer === 0) {
      assert.ok(performance.now() < endMs, 'criu was not met');
      tracer = Number(statusOf(hung.pid).get('TracerPid'));
      await new Promise(setImmediate);
    }
    process.kill(tracer, 'SIGSTOP');
    controller.abort();
    assert.equal((await outcome).code, 'CANCELLED');
    const linesOf = async (): Promise<number> =>
      (await readFile((await node.status(sibling.id)).log_path, 'utf8')).split('\n').length;
    const before = await linesOf();
    await until('the sibling to go on', async () => (await linesOf()) > before + 2);

    const exec = (id: string): Promise<unknown> =>
      node.runtime.ExecSync({ container_id: id, cmd: ['true'], timeout: '0' });
    const { code, text } = await refusal(exec(hung.id));
    assert.equal(code, 'FAILED_PRECONDITION', text);
    const group = /criu \(process group (\d+)\)/.exec(text)?.[1];
    assert.ok(group !== undefined, text);
    await exec(sibling.id);
    const location = join(node.cridock.directory, 'x.tar');
    const again = await refusal(
      node.runtime.CheckpointContainer({ container_id: hung.id, location, timeout: '0' }),
    );
    assert.equal(again.code, 'FAILED_PRECONDITION', again.text);
    assert.match(node.cridock.log(), /criu does not let a container go/);

    const work = join(node.cridock.directory, 'root', 'checkpoint-work');
    // The caller, who is gone, cannot be told when the others' folders are taken away.
    await until('one folder to be left', () => readdirSync(work).length === 1);
    process.kill(-Number(group), 'SIGKILL');
    await until('what is left to be taken away', () => readdirSync(work).length === 0);
    await node.runtime.StopContainer({ container_id: hung.id, timeout: '0' });
    await node.runtime.RemoveContainer({ container_id: hung.id });
  });
});

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
