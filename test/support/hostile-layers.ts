import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

export const MIB = 1024 * 1024;

/** An empty folder that goes with the test file, whatever a test put into it. */
export function makeLayer(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'layer-'));
  // At the end, when no process works in it any more. Node's own rm knows no path that is too long.
  process.once('exit', () => execFileSync('rm', ['-rf', folder]));
  return folder;
}

/** So many files, a thousand a folder. */
export function addFiles(layer: string, count: number): void {
  for (let number = 0; number < count; number += 1) {
    const folder = path.join(layer, `many-${Math.floor(number / 1000)}`);
    if (number % 1000 === 0) mkdirSync(folder);
    closeSync(openSync(path.join(folder, String(number)), 'w'));
  }
}

/** Folders in folders, with a file of `bytes` in the innermost: far beyond the length that a path may have. */
export function addDepth(layer: string, depth: number, name: string, bytes: number): void {
  let fd = openSync(layer, constants.O_DIRECTORY);
  for (let level = 0; level < depth; level += 1) {
    const below = `/proc/self/fd/${fd}/${name}`;
    mkdirSync(below);
    const next = openSync(below, constants.O_DIRECTORY);
    closeSync(fd);
    fd = next;
  }
  writeFileSync(`/proc/self/fd/${fd}/file`, Buffer.alloc(bytes, 1));
  closeSync(fd);
}

/** A file that says it has a terabyte, and takes one block. */
export function addSparse(layer: string): void {
  const fd = openSync(path.join(layer, 'sparse'), 'w');
  ftruncateSync(fd, 2 ** 40);
  writeSync(fd, 'x');
  closeSync(fd);
}

export function addFifo(layer: string): void {
  execFileSync('mkfifo', [path.join(layer, 'fifo')]);
}

/**
 * A process that puts a link to `outside` in the place of a folder of the layer, and the folder back, as often as it can:
 * thousands of times a second. It ends with the test.
 */
export async function swapLinks(t: TestContext, layer: string, outside: string): Promise<void> {
  const folder = path.join(layer, 'swapped');
  mkdirSync(folder);
  for (let number = 0; number < 20; number += 1) mkdirSync(path.join(folder, String(number)));
  await busyProcess(
    t,
    `fs.renameSync(folder, aside); fs.symlinkSync(outside, folder); fs.unlinkSync(folder); fs.renameSync(aside, folder);`,
    { folder, aside: `${folder}-aside`, outside },
  );
}

/** A process that moves a folder of the layer from place to place, and what is in it along. */
export async function moveFolders(t: TestContext, layer: string): Promise<void> {
  const [from, to] = [path.join(layer, 'from'), path.join(layer, 'to')];
  for (const folder of [from, to]) mkdirSync(folder);
  const folder = path.join(from, 'moved');
  mkdirSync(path.join(folder, 'a', 'b', 'c'), { recursive: true });
  const aside = path.join(to, 'moved');
  await busyProcess(t, `fs.renameSync(folder, aside); fs.renameSync(aside, folder);`, { folder, aside });
}

/** A process that makes and deletes folders with files in them. */
export async function makeAndDelete(t: TestContext, layer: string): Promise<void> {
  await busyProcess(
    t,
    `for (let n = 0; n < 20; n += 1) fs.mkdirSync(folder + '/' + n + '/below', { recursive: true }), fs.writeFileSync(folder + '/' + n + '/file', 'x');
     fs.rmSync(folder, { recursive: true });`,
    { folder: path.join(layer, 'comes-and-goes') },
  );
}

async function busyProcess(t: TestContext, round: string, values: Record<string, string>): Promise<void> {
  const script = `const fs = require('node:fs');
    const { folder, aside, outside } = ${JSON.stringify(values)};
    process.stdout.write('up');
    for (;;) { ${round} }`;
  const child: ChildProcess = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  if (child.stdout !== null) await once(child.stdout, 'data');
}
