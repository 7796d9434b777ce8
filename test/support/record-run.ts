/**
 * Runs a suite, and writes down how it ended: docs/compatibility.md has a table of these runs.
 *
 * Usage: node record-run.js SUITE ENGINE NODE COMMAND...   runs it; its closing line is "N passed, N failed, N skipped"
 *        node record-run.js                                prints the table
 * The exit status is the command's. What ran must be committed: a tree with changes has no name that says what it was.
 */
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { readRuns, RUNS_FILE, runsTable, withRun } from './ran.js';

const CLOSING_LINE = /(?:^|\n)(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n*$/;

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

const [suite, engine, node, program, ...args] = process.argv.slice(2);
if (suite === undefined) {
  process.stdout.write(runsTable(readRuns()));
} else if (engine === undefined || node === undefined || program === undefined) {
  console.error('usage: record-run.js [SUITE ENGINE NODE COMMAND...]');
  process.exitCode = 2;
} else {
  const git = (...command: string[]): string => execFileSync('git', command, { encoding: 'utf8' }).trim();
  const commit = git('describe', '--always', '--dirty', '--abbrev=7', '--exclude=*');
  const [output, status] = await run(program, args);
  const [, passed, failed, skipped = '0'] = CLOSING_LINE.exec(output) ?? [];
  if (passed === undefined) {
    console.error('record-run: not written down, as it has no closing line');
  } else {
    const date = new Date().toISOString().slice(0, 10);
    const counts = { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
    const runs = withRun(readRuns(), { suite, engine, node, ...counts, date, commit });
    writeFileSync(RUNS_FILE, `${JSON.stringify(runs, null, 2)}\n`);
  }
  process.exitCode = status;
}
