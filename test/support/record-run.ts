/**
 * Writes down how suites have ended, and makes the tables of docs/compatibility.md from it.
 *
 * Usage: node record-run.js SUITE ENGINES NODE COMMAND...   runs it; its closing line is "N passed, N failed, N skipped"
 *        node record-run.js --ci LOG COMMIT                 all checks whose end is in the output of `.ci/run` on that commit
 *        node record-run.js                                 makes the tables only
 * ENGINES is one or several with ", " between; NODE is "old" or "modern" (compatibility.ts says what that is), or any other
 * words. The exit status is the command's. What ran must be committed: a tree with changes has no name that says what it was.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { ciRuns, closingLine } from './ci-log.js';
import { NODES, withTables } from './compatibility.js';
import { sourceFile } from './own-engine.js';
import { readRuns, RUNS_FILE, withRun } from './ran.js';
import type { Run } from './ran.js';

const DOCUMENT = sourceFile('../docs/compatibility.md');
/** What this program writes itself makes no other sources. */
const OWN_FILES = [':!test/ran.json', ':!docs/compatibility.md'];

/** Runs it with its output shown; gives back the end of what it printed, and its exit status. */
async function run(program: string, args: readonly string[]): Promise<[output: string, status: number]> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let end = '';
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk);
    end = (end + chunk.toString()).slice(-1000);
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
  return [end, status];
}

function commitOfTree(): string {
  const git = (...command: string[]): string => execFileSync('git', command, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', '.', ...OWN_FILES) !== '';
  return git('rev-parse', '--short=7', 'HEAD') + (changed ? '-dirty' : '');
}

function write(runs: readonly Run[]): void {
  const all = runs.reduce(withRun, readRuns());
  writeFileSync(RUNS_FILE, `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(DOCUMENT, withTables(readFileSync(DOCUMENT, 'utf8'), all));
}

const date = new Date().toISOString().slice(0, 10);
const [first, second, third, program, ...args] = process.argv.slice(2);
if (first === undefined) {
  write([]);
} else if (first === '--ci' && second !== undefined && third !== undefined) {
  const runs = ciRuns(readFileSync(second, 'utf8'), { date, commit: third });
  write(runs);
  for (const { suite, passed, failed, skipped } of runs) console.log(suite, passed, failed, skipped);
} else if (second === undefined || third === undefined || program === undefined) {
  console.error('usage: record-run.js [SUITE ENGINES NODE COMMAND... | --ci LOG COMMIT]');
  process.exitCode = 2;
} else {
  const commit = commitOfTree();
  const [output, status] = await run(program, args);
  const counts = closingLine(output);
  const node = Object.entries(NODES).find(([name]) => name === third)?.[1] ?? third;
  if (counts === undefined) console.error('record-run: not written down, as it has no closing line');
  else write([{ suite: first, engine: second, node, ...counts, date, commit }]);
  process.exitCode = status;
}
