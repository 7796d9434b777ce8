import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NODES, withTables } from '../../support/compatibility.js';
import type { Run } from '../../support/ran.js';

const PAGE =
  '# Title\n\n| what | x |\n| --- | --- |\n| old | y |\n\nBetween.\n\n| suite |\n| --- |\n\nThe end.\n';
const run = (suite: string, engine: string, failed = 0): Run => {
  return { suite, engine, node: NODES.old, passed: 9, failed, skipped: 0, date: '2026-11-30', commit: 'a' };
};
const rowOf = (page: string, versions: string): string =>
  page
    .split('\n')
    .find((line) => line.includes(`| ${versions} `))
    ?.replaceAll(/ +/g, ' ') ?? '';

describe('the tables of docs/compatibility.md', () => {
  it('replace those before, and leave the rest of the page alone', () => {
    const page = withTables(PAGE, []);
    assert.ok(page.startsWith('# Title\n\n| what '));
    assert.ok(page.includes('\n\nBetween.\n\n| suite '));
    assert.ok(page.endsWith('\n\nThe end.\n'));
    assert.doesNotMatch(page, /\| old \|/);
    assert.equal(withTables(page, []), page);
  });

  it('say tested only where something has passed, and name what has failed', () => {
    const runs = [
      run('crictl', '20.10, 29.8'),
      run('tests', '20.10', 1),
      run('critest', '28.5.2+containerd'),
    ];
    const page = withTables(PAGE, runs);
    assert.equal(
      rowOf(page, '20.10 (API 1.41)'),
      '| Docker Engine | 20.10 (API 1.41) | tested: crictl; with failures: tests |',
    );
    assert.match(rowOf(page, '28.5, containerd store'), /\| tested: critest \|/);
    assert.match(rowOf(page, '28.5 (1.51), graph drivers'), /\| expected \|/);
    assert.match(page, /\| crictl +\| 20\.10, 29\.8 +\| Debian 12, cgroup v1 +\| 9 +\| 0 /);
  });
});
