import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** One line for each file of a folder: its kind, owners, mode, size, and what is in it. Sorted by path. */
export function treeOf(folder: string): string[] {
  const lines: string[] = [];
  const walk = (path: string): void => {
    for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
      const name = join(path, entry.name);
      const file = join(folder, name);
      const { uid, gid, mode, size, rdev } = lstatSync(file);
      const facts = `${name} ${mode.toString(8)} ${uid}:${gid} ${rdev}`;
      if (entry.isDirectory()) {
        lines.push(facts);
        walk(name);
      } else if (entry.isSymbolicLink()) {
        lines.push(`${facts} ${readlinkSync(file)}`);
      } else if (entry.isFile()) {
        lines.push(`${facts} ${size} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`);
      } else {
        lines.push(facts);
      }
    }
  };
  walk('');
  return lines.sort();
}

/** What one list has and the other has not. */
export function differences(before: readonly string[], after: readonly string[]): string[] {
  const [was, is] = [new Set(before), new Set(after)];
  const gone = before.filter((line) => !is.has(line)).map((line) => `- ${line}`);
  const come = after.filter((line) => !was.has(line)).map((line) => `+ ${line}`);
  return [...gone, ...come];
}
