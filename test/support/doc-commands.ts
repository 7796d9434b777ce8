import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Commands in the documentation, to be pasted into a shell. */
export interface CommandBlock {
  /** Such as `docs/installing.md:12`. */
  readonly source: string;
  /** `clone`: in a fresh clone of the repository; `node`: on a node, as root. */
  readonly place: 'clone' | 'node';
  readonly script: string;
}

/** The pages that people read, by their paths in the repository at `root`. */
export function documentPages(root: string): string[] {
  const pages = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  return ['README.md', ...pages.sort().map((name) => `docs/${name}`)];
}

/** All `sh` blocks, in the order of the pages. Other blocks are no commands. */
export function commandBlocks(root: string): CommandBlock[] {
  return documentPages(root).flatMap((page) => {
    const text = readFileSync(path.join(root, page), 'utf8');
    return [...text.matchAll(/^```sh( node)?\n([\s\S]*?)^```$/gm)].map((match): CommandBlock => {
      const line = text.slice(0, match.index).split('\n').length;
      return {
        source: `${page}:${line}`,
        place: match[1] === undefined ? 'clone' : 'node',
        script: match[2] ?? '',
      };
    });
  });
}
