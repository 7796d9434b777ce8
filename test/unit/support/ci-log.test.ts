import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { CI_CHECKS, ciRuns, closingLine } from '../../support/ci-log.js';
import { sourceFile } from '../../support/own-engine.js';

const WHEN = { date: '2026-11-30', commit: 'abc1234' };

describe('the output of .ci/run', () => {
  it('tells how each suite has ended', () => {
    const log = [
      '== tests',
      '1 passed, 0 failed, 0 skipped',
      '1815 passed, 2 failed, 5 skipped',
      '== tests: 689 s',
      '== tests failed (exit status 1)',
      '== lint',
      '== lint: 30 s',
      '== critest, user namespaces',
      '6 passed, 0 failed',
      '== critest, user namespaces: 40 s',
      '== kubelet',
      '148 passed, 0 failed, 0 skipped',
    ];
    assert.deepEqual(
      ciRuns(log.join('\n'), WHEN).map(({ suite, passed, failed, skipped }) => [
        suite,
        passed,
        failed,
        skipped,
      ]),
      [
        ['tests', 1815, 2, 5],
        ['critest, user namespaces', 6, 0, 0],
      ],
    );
  });

  it('has every check that counts', () => {
    const names = [...readFileSync(sourceFile('../.ci/run'), 'utf8').matchAll(CHECK_LINE)].map(
      ([, quoted, plain]) => quoted ?? plain,
    );
    const suites = names.filter((name) => name !== 'lint' && name !== 'quickstart');
    assert.deepEqual(new Set(Object.keys(CI_CHECKS)), new Set(suites));
  });
});

const CHECK_LINE = /^ *check(?:_beside)? (?:'([^']+)'|(\S+)) \d+ /gm;

describe('a closing line', () => {
  it('is the last one', () => {
    assert.deepEqual(closingLine('x\n3 passed, 1 failed, 2 skipped\n'), { passed: 3, failed: 1, skipped: 2 });
    assert.equal(closingLine('3 passed, 1 failed\nkilled\n'), undefined);
  });
});
