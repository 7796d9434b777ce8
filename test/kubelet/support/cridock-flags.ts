import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cluster, restartProgram } from './cluster.js';

/** Runs cridock with more flags while `body` runs. */
export async function withCridockFlags(flags: readonly string[], body: () => Promise<void>): Promise<void> {
  // As cluster.sh keeps them: each with a NUL behind it.
  const file = path.join(cluster.run, 'cridock.arguments');
  const usual = readFileSync(file, 'utf8');
  writeFileSync(file, usual + flags.map((flag) => `${flag}\0`).join(''));
  try {
    await restartProgram('cridock');
    await body();
  } finally {
    writeFileSync(file, usual);
    await restartProgram('cridock');
  }
}
