import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../support/debian-node.js';

const MONITORING = path.join(ROOT, 'deploy/monitoring');
const noGo = spawnSync('go', ['version']).status === 0 ? false : 'no Go on this machine';

describe('what is shipped for monitoring', () => {
  let folder: string;
  let promtool: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'cridock-monitoring-'));
    const unpack = '. test/support/common.sh; unpacked_debian bookworm prometheus';
    const root = execFileSync('bash', ['-c', unpack], { cwd: ROOT, encoding: 'utf8' }).trim();
    promtool = path.join(root, 'usr/bin/promtool');
    copyFileSync(path.join(MONITORING, 'alerts.yaml'), path.join(folder, 'alerts.yaml'));
    const tests = path.join(ROOT, 'test/fixtures/monitoring/alerts-test.yaml');
    copyFileSync(tests, path.join(folder, 'alerts-test.yaml'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...command: [string, ...string[]]): string => {
    const [program, ...args] = command;
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    return stdout;
  };

  it('alerts that Prometheus takes, each of which fires for what it is for and for nothing else', () => {
    assert.match(run(promtool, 'check', 'rules', 'alerts.yaml'), /SUCCESS: 10 rules found/);
    run(promtool, 'test', 'rules', 'alerts-test.yaml');
  });

  it("a dashboard that fits Grafana's schema", { skip: noGo }, () => {
    const program = path.join(folder, 'grafana-schema');
    const source = path.join(ROOT, 'test/package/grafana-schema');
    execFileSync('go', ['build', '-o', program, '.'], {
      cwd: source,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    run(program, path.join(MONITORING, 'cridock-dashboard.json'));
  });
});
