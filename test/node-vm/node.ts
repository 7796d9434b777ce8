import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { connectCri } from '../support/cri-client.js';
import type { CriClient } from '../support/cri-client.js';

/** The compiled files' and the sources' common root: this file is <root>/dist/test/node-vm/node.js. */
export const ROOT = path.join(import.meta.dirname, '../../..');
const VM = path.join(ROOT, 'test/node-vm/vm.sh');
const run = promisify(execFile);

/** As the `skip` option of a test: the reason why there is no node, or false. `npm test -- node-vm` boots one. */
export const noNode: string | false =
  process.env['CRIDOCK_TEST_NODE_VM'] === undefined ? 'no node runs: npm test -- node-vm boots one' : false;

/** As the `skip` option of what takes more than the ten minutes of every run. */
export const onlyInFull: string | false =
  noNode ||
  (process.env['CRIDOCK_TEST_FULL'] === undefined ? 'takes long: CRIDOCK_TEST_FULL=1 runs it' : false);

/** A limit that only ends what will never come: the node is emulated, and machines are busy. */
export const AT_LAST_MS = 480_000;

export const BUSYBOX = 'registry.k8s.io/e2e-test-images/busybox:1.29-2';

/** Calls vm.sh; gives back what it prints. */
export async function vm(...args: string[]): Promise<string> {
  const { stdout } = await run(VM, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** Runs a shell's words on the node as root; gives back what they print, and throws when they fail. */
export async function onNode(script: string): Promise<string> {
  return await vm('run', `set -e; ${script}`);
}

/** The first number of each line `name number` or `name=number` that a script prints. */
export async function figuresOnNode(script: string): Promise<Map<string, number>> {
  const printed = await onNode(script);
  return new Map(
    [...printed.matchAll(/^(\S+?)[ =](\d+)$/gm)].map(([, name = '', value]) => [name, Number(value)]),
  );
}

/** A client of the node's cridock. */
export async function connectToNode(): Promise<CriClient> {
  return connectCri((await vm('socket', '/run/cri-dockerd.sock')).trim());
}

/** The pid on the node of a container's or sandbox's first process. */
export async function pidOf(id: string): Promise<number> {
  return Number(await onNode(`docker inspect -f '{{.State.Pid}}' ${id}`));
}

/** The folder of a container's cgroup on the node. */
export async function cgroupOf(id: string): Promise<string> {
  const pid = await pidOf(id);
  return `/sys/fs/cgroup${(await onNode(`cut -d: -f3 /proc/${pid}/cgroup`)).trim()}`;
}
