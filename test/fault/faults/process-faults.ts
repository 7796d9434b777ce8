import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { messageOf } from '../../../src/util/cri-error.js';
import { below, pick, type Random } from '../../support/hostile.js';
import { processesWith } from '../../support/host-processes.js';
import { exitOf, openRemote, openWebSocket } from '../../support/remote-command.js';
import { until } from '../../support/until.js';
import { isRunning } from '../kubelet/pod-actions.js';
import type { FaultNode } from './fault-node.js';
import type { FaultKind } from './kinds.js';

const SESSIONS = 50;
const EXIT_CODE = 5;
/** What sessions, and the commands that are left of them, take at most on a busy machine. */
const END_TIMEOUT_MS = 60_000;

/** How many descriptors a process may have, as `prlimit` tells and takes it. */
function softLimit(pid: number): string {
  return /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1] ?? '1024';
}

function setSoftLimit(pid: number, limit: string): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:`]);
}

/** cridock gets no new descriptor, or only some. */
export const noDescriptorsLeft: FaultKind = {
  name: 'no descriptors left',
  make: (node, random) => {
    const { pid } = node.cridock;
    const before = softLimit(pid);
    const left = below(random, 6);
    return {
      what: `${left} left`,
      begin: () => setSoftLimit(pid, String(readdirSync(`/proc/${pid}/fd`).length + left)),
      end: () => {
        if (node.cridock.isRunning && node.cridock.pid === pid) setSoftLimit(pid, before);
      },
    };
  },
};

/** Opens a session in one of the protocols; `end` is what its client makes of the end: an exit code, or why there is none. */
async function session(node: FaultNode, containerId: string, cmd: string[], random: Random) {
  const protocol = pick(random, [
    'SPDY',
    'v5.channel.k8s.io',
    'v4.channel.k8s.io',
    'v4.base64.channel.k8s.io',
  ]);
  const request = { container_id: containerId, cmd, stdout: true, stderr: true };
  const { url } = await node.cridock.client.runtime.Exec(request);
  const { result } = protocol === 'SPDY' ? await openRemote(url) : await openWebSocket(url, protocol);
  const end = result.then(
    ({ status }) => (status === '' ? `no status over ${protocol}` : String(exitOf(status))),
    (error: unknown) => messageOf(error),
  );
  return { end };
}

/** No session may read as a success: some commands end with an exit code while cridock stops, others are cut off. */
export const stoppedWithSessions: FaultKind = {
  name: 'SIGTERM in the middle of 50 sessions',
  kills: true,
  make: (node, random) => {
    const seconds = 1 + below(random, 4);
    return {
      what: `half of them end within ${seconds} s`,
      begin: async () => {
        const [container] = node.kubelet.parts('stays-1').containers.filter(isRunning);
        assert.ok(container);
        // Those that are to end within the grace period are all there before it begins.
        const go = `/go-${process.pid}-${randomInt(2 ** 32)}`;
        const commands = [
          `until [ -e ${go} ]; do sleep 0.1; done; sleep ${seconds}; exit ${EXIT_CODE}`,
          `sleep 120; exit ${EXIT_CODE}`,
        ];
        const open = await Promise.all(
          Array.from({ length: SESSIONS }, (_, index) =>
            session(node, container.id, ['sh', '-c', commands[index % 2] ?? ''], random),
          ),
        );
        await until(
          'all that end to run',
          () => processesWith(`until [ -e ${go} ]`).length >= SESSIONS / 2,
          END_TIMEOUT_MS,
        );
        await node.cridock.client.runtime.ExecSync({ container_id: container.id, cmd: ['touch', go] });
        process.kill(node.cridock.pid, 'SIGTERM');
        const ends = await Promise.all(open.map(({ end }) => end));
        // Clients are told before the commands that they leave are ended.
        await until('cridock to end', () => !node.cridock.isRunning, END_TIMEOUT_MS);
        const wrong = ends.filter((end, index) =>
          index % 2 === 0 ? end !== String(EXIT_CODE) : !end.includes('cridock is being stopped'),
        );
        assert.deepEqual(wrong, [], 'sessions that did not end as they should');
      },
      end: () => undefined,
    };
  },
};
