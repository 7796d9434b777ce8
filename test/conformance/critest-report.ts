/**
 * Sums up critest's JSON report.
 *
 * Usage: node critest-report.js REPORT EXCEPTIONS...
 *   REPORT      what critest wrote for `-ginkgo.json-report`
 *   EXCEPTIONS  text files of specs that are known to fail, one a line: `name of the spec | reason`; # starts a
 *               comment line
 * Prints failures and exceptions by name, then "N passed, N failed, N skipped"; known exceptions that fail count as
 * skipped. Exit status 0 when nothing else failed and at least one spec ran.
 */
import { readFileSync } from 'node:fs';

/** The members used here of ginkgo's report. */
interface SpecReport {
  LeafNodeType: string;
  LeafNodeText: string;
  ContainerHierarchyTexts: string[] | null;
  State: string;
  Failure?: { Message?: string };
}

/** Ginkgo's words for a spec that did not run or left early on purpose. */
const NOT_RUN = new Set(['skipped', 'pending']);
const MAX_MESSAGE_LENGTH = 300;

function readSpecs(path: string): SpecReport[] {
  const suites = JSON.parse(readFileSync(path, 'utf8')) as { SpecReports: SpecReport[] | null }[];
  return suites.flatMap((suite) => suite.SpecReports ?? []);
}

/** Names of specs, each with its reason. */
function readExceptions(path: string): [string, string][] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line): [string, string] => {
      const bar = line.lastIndexOf('|');
      if (bar < 0) throw new Error(`${path}: no reason given in the line: ${line}`);
      return [line.slice(0, bar).trim(), line.slice(bar + 1).trim()];
    });
}

function nameOf(spec: SpecReport): string {
  const texts = [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText];
  // A failure outside of specs, as in the suite's own set-up, has no text.
  return texts.join(' ').trim() || spec.LeafNodeType;
}

/** A failure's message in one line: gomega's go on with a dump of the error. */
function inOneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, MAX_MESSAGE_LENGTH);
}

function main(reportPath: string, exceptionsPaths: string[]): number {
  const exceptions = new Map(exceptionsPaths.flatMap(readExceptions));
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const spec of readSpecs(reportPath)) {
    const isSpec = spec.LeafNodeType === 'It';
    const name = nameOf(spec);
    const reason = exceptions.get(name);
    if (spec.State === 'passed') {
      if (!isSpec) continue;
      passed += 1;
      if (reason !== undefined) console.log(`PASSES NOW, take it out of the exceptions: ${name}`);
    } else if (NOT_RUN.has(spec.State)) {
      // Without a message it was not in focus; with one the spec itself asked to be skipped.
      if (!isSpec || !spec.Failure?.Message) continue;
      skipped += 1;
      console.log(`skipped: ${name}: ${inOneLine(spec.Failure.Message)}`);
    } else if (reason !== undefined) {
      skipped += 1;
      console.log(`known exception: ${name}: ${reason}`);
    } else {
      failed += 1;
      console.log(`FAILED: ${name}: ${inOneLine(spec.Failure?.Message ?? spec.State)}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

const [reportPath, ...exceptionsPaths] = process.argv.slice(2);
if (reportPath === undefined || exceptionsPaths.length === 0) {
  console.error('usage: critest-report.js REPORT EXCEPTIONS...');
  process.exitCode = 2;
} else {
  process.exitCode = main(reportPath, exceptionsPaths);
}
