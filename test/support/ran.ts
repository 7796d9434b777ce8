import { readFileSync } from 'node:fs';
import { sourceFile } from './own-engine.js';

/** The last run of a suite on these Engines and one kind of node. */
export interface Run {
  readonly suite: string;
  /** One, or several with commas between them; empty where none is asked for. */
  readonly engine: string;
  readonly node: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** As in 2026-11-29. */
  readonly date: string;
  /** Of the sources that ran, as git abbreviates it. */
  readonly commit: string;
}

/** Where `record-run.js` writes them. */
export const RUNS_FILE = sourceFile('ran.json');

export function readRuns(): Run[] {
  return JSON.parse(readFileSync(RUNS_FILE, 'utf8')) as Run[];
}

/** The runs with this one among them, in the place of the one before of the same suite, Engines and node. */
export function withRun(runs: readonly Run[], run: Run): Run[] {
  const key = ({ suite, engine, node }: Run): string => [suite, node, engine].join('\n');
  return [...runs.filter((other) => key(other) !== key(run)), run].sort((one, other) =>
    key(one) < key(other) ? -1 : 1,
  );
}

/** A table in Markdown, as prettier formats it; the first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[], filler = ' '): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, filler)).join(' | ')} |`;
  const [head = [], ...others] = rows.map((row) => line(row));
  const rule = line(
    widths.map(() => ''),
    '-',
  );
  return [head, rule, ...others, ''].join('\n');
}

/** The table of the runs themselves. */
export function runsTable(runs: readonly Run[]): string {
  return markdownTable([
    ['suite', 'Engine', 'node', 'passed', 'failed', 'skipped', 'date', 'commit'],
    ...runs.map((run) => [
      run.suite,
      run.engine,
      run.node,
      ...[run.passed, run.failed, run.skipped].map(String),
      run.date,
      run.commit,
    ]),
  ]);
}
