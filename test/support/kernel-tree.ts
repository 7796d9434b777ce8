import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A copy of some files of /proc and /sys/fs/cgroup, below a folder of its own. */
export interface KernelTree {
  readonly root: string;
  readonly proc: string;
  write(file: string, text: string): void;
  remove(folder: string): void;
}

/** Lays a recorded tree (test/fixtures/cgroups/<name>.json) out; it goes when the test ends. */
export function layOutTree(t: TestContext, name: string): KernelTree {
  // Compiled, this file is <root>/<outDir>/test/support/kernel-tree.js.
  const fixture = new URL(`../../../test/fixtures/cgroups/${name}.json`, import.meta.url);
  const { files } = JSON.parse(readFileSync(fixture, 'utf8')) as { files: Record<string, string> };
  const root = mkdtempSync(path.join(tmpdir(), 'kernel-tree-'));
  t.after(() => rmSync(root, { recursive: true }));
  const write = (file: string, text: string): void => {
    const target = path.join(root, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  };
  for (const [file, text] of Object.entries(files)) {
    // The mounts are where the tree is.
    write(file, file === '/proc/self/mountinfo' ? text.replaceAll(' /sys/', ` ${root}/sys/`) : text);
  }
  return {
    root,
    proc: path.join(root, 'proc'),
    write,
    remove: (folder) => rmSync(path.join(root, folder), { recursive: true }),
  };
}
