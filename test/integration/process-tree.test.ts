import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { readProcess, sameMountNamespace, signalTree, treeIsAlive } from '../../src/util/process-tree.js';
import { processesWith } from '../support/host-processes.js';
import { until } from '../support/until.js';

/** Has no descriptors left, then looks for itself; prints what comes of it. */
const SCRIPT = `
const { openSync } = await import('node:fs');
const { readProcess, treeIsAlive } = await import(process.argv[1]);
const own = readProcess(process.pid);
try { for (;;) openSync('/dev/null'); } catch {}
const tree = await treeIsAlive(own).catch((error) => error.code);
let one;
try { one = readProcess(process.pid); } catch (error) { one = error.code; }
process._rawDebug(tree + ' ' + one);`;

/** A shell in a session of its own, as an exec is. */
function openSession(script: string): ChildProcess & { pid: number } {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
  assert.ok(child.pid);
  return Object.assign(child, { pid: child.pid });
}

describe('a process tree', () => {
  const mark = `${800_000 + process.pid}`;

  it('is killed with orphans and inner sessions, and nothing else is', async () => {
    const other = openSession(`exec sleep ${mark}9`);
    const child = openSession(`(sleep ${mark}1 &); setsid sleep ${mark}2 & sleep ${mark}3 & sleep ${mark}4`);
    await until('all run', () => processesWith(mark).filter((line) => line.startsWith('sleep')).length === 5);
    const leader = readProcess(child.pid);
    assert.ok(leader);
    assert.equal(leader.session, child.pid);
    assert.equal(leader.parentPid, process.pid);
    assert.ok(sameMountNamespace(child.pid, process.pid));
    const exited = once(child, 'exit');
    assert.ok((await signalTree(leader, 'SIGKILL')) >= 5);
    await exited;
    assert.equal(await treeIsAlive(leader), false);
    assert.ok(processesWith(mark).length > 0, 'the other session lives');
    const otherExited = once(other, 'exit');
    other.kill('SIGKILL');
    await otherExited;
    assert.deepEqual(processesWith(mark), []);
  });

  it('is not mistaken for another process with its pid', async () => {
    const child = openSession(`exec sleep ${mark}5`);
    const leader = readProcess(child.pid);
    assert.ok(leader);
    assert.equal(await signalTree({ ...leader, startTicks: leader.startTicks - 1 }, 'SIGKILL'), 0);
    assert.ok(await treeIsAlive(leader));
    const exited = once(child, 'exit');
    await signalTree(leader, 'SIGKILL');
    await exited;
  });

  it('is not told to have ended where nothing can be read', () => {
    const module = new URL('../../src/util/process-tree.js', import.meta.url).href;
    const shell = 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2" 2>&1';
    const output = execFileSync('sh', ['-c', shell, process.execPath, SCRIPT, module], { encoding: 'utf8' });
    assert.equal(output, 'EMFILE EMFILE\n');
  });

  it('reads names with blanks and parentheses, and processes that are gone', () => {
    assert.equal(readProcess(1)?.parentPid, 0);
    assert.equal(readProcess(4_194_305), undefined);
    assert.equal(sameMountNamespace(4_194_305, 1), false);
  });
});
