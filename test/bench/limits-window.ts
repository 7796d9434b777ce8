/**
 * How long a container runs before a limit is in force that cridock writes after the start: from the moment that its program
 * runs in the place of the OCI runtime to that of the kernel's file showing the limit. Prints the figures of all starts.
 *
 * Usage: CRIDOCK_TEST_DOCKER=unix://... node dist/test/bench/limits-window.js [STARTS [AT A TIME]]
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { forEachLimited } from '../../src/util/concurrency.js';
import { TestNode } from '../support/test-node.js';

const [starts, atATime] = [Number(process.argv[2] ?? 40), Number(process.argv[3] ?? 1)];
const MIB = 1024 * 1024;
/** Below Docker's least, which is in force until cridock has written it. */
const LIMIT_BYTES = 5 * MIB;

/** When its program was first seen, and when the limit was; performance.now(), 0 for not yet. */
interface Seen {
  program: number;
  limit: number;
}

const v2 = readdirSync('/sys/fs/cgroup').includes('cgroup.controllers');
const root = v2 ? '/sys/fs/cgroup/system.slice' : '/sys/fs/cgroup/memory/docker';
const limitFile = v2 ? 'memory.max' : 'memory.limit_in_bytes';

function look(id: string, seen: Seen): void {
  const folder = join(root, v2 ? `docker-${id}.scope` : id);
  try {
    if (seen.program === 0) {
      const [pid = ''] = readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n');
      if (pid !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n')
        seen.program = performance.now();
    }
    const limit = readFileSync(join(folder, limitFile), 'utf8').trim();
    if (limit === String(LIMIT_BYTES)) seen.limit = performance.now();
  } catch {
    // not there yet
  }
}

const node = await TestNode.start(['--log-level=info']);
const windowsMs: number[] = [];
try {
  const pod = await node.pod();
  await forEachLimited(Array.from({ length: starts }).keys(), atATime, async () => {
    const id = await node.create(pod, {
      command: ['sleep', '600'],
      resources: { memory_limit_in_bytes: LIMIT_BYTES },
    });
    const seen: Seen = { program: 0, limit: 0 };
    const starting = node.runtime.StartContainer({ container_id: id });
    starting.catch(() => undefined);
    while (seen.program === 0 || seen.limit === 0) {
      look(id, seen);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await starting;
    windowsMs.push(Math.max(0, seen.limit - seen.program));
    await node.runtime.RemoveContainer({ container_id: id });
  });
} finally {
  await node.close();
}
windowsMs.sort((a, b) => a - b);
const at = (share: number): string =>
  (windowsMs[Math.min(windowsMs.length - 1, Math.floor(share * windowsMs.length))] ?? 0).toFixed(1);
console.log(
  `${starts} starts, ${atATime} at a time: median ${at(0.5)} ms, p90 ${at(0.9)} ms, longest ${at(1)} ms`,
);
