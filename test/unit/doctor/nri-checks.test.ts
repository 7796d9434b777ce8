import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { checkNri, checkNriService } from '../../../src/doctor/nri-checks.js';
import type { Finding } from '../../../src/doctor/finding.js';

describe('the check of NRI', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cridock-nri-doctor-'));
    for (const name of ['plugins', 'conf.d', 'run']) mkdirSync(join(folder, name), { mode: 0o755 });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const settings = (changes: { socketPath?: string; pluginPath?: string } = {}) => ({
    socketPath: join(folder, 'run/nri.sock'),
    pluginPath: join(folder, 'plugins'),
    pluginConfigPath: join(folder, 'conf.d'),
    registrationTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    ...changes,
  });
  const program = (name: string, mode = 0o755): string => {
    const path = join(folder, 'plugins', name);
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, mode);
    return path;
  };
  const told = (findings: readonly Finding[]): string[] => {
    assert.ok(findings.every(({ check }) => check === 'nri'));
    return findings.map(({ level, message, remedy }) => `${level}: ${message}${remedy && ` -> ${remedy}`}`);
  };

  it('tells that it is off, or how plugins come', async () => {
    assert.deepEqual(told(await checkNri(undefined)), ['ok: NRI plugins are not served (nri-disable)']);
    assert.match(
      told(await checkNri(settings()))[0] ?? '',
      /^ok: .* they connect to .*nri.sock, none is started/,
    );
    program('10-logger');
    const [finding] = told(await checkNri(settings({ socketPath: '' })));
    assert.match(finding ?? '', /^ok: .*: none can connect, 10-logger are started/);
  });

  it('folders that are not there have nothing wrong', async () => {
    const gone = { socketPath: '/no-such-folder/nri.sock', pluginPath: '/no-such-folder' };
    assert.match(told(await checkNri(settings(gone)))[0] ?? '', /^ok: /);
  });

  it('names what others than root may change', async () => {
    const path = program('10-logger', 0o775);
    chmodSync(join(folder, 'plugins'), 0o777);
    chmodSync(join(folder, 'conf.d'), 0o775);
    chmodSync(join(folder, 'run'), 0o1777); // nobody can put another socket into its place
    const findings = told(await checkNri(settings()));
    assert.deepEqual(
      findings.map((finding) => / ([^ ]+) can be changed by others than root/.exec(finding)?.[1]),
      [join(folder, 'plugins'), join(folder, 'conf.d'), path],
    );
    assert.ok(findings[2]?.endsWith(`-> chown root:root ${path} && chmod go-w ${path}`));
  });

  it('names programs that are not started', async () => {
    const path = program('logger');
    program('notes', 0o644); // no program
    mkdirSync(join(folder, 'conf.d/20-odd.conf'));
    program('20-odd');
    const findings = told(await checkNri(settings()));
    assert.equal(findings.length, 2);
    assert.match(findings[0] ?? '', /20-odd is not started as an NRI plugin: .*EISDIR/);
    assert.match(findings[1] ?? '', /logger is not started as an NRI plugin: the index "logger" is not two/);
    assert.ok(findings[1]?.endsWith(`-> chmod a-x ${path}`));
  });

  it('tells why the service serves none', async () => {
    const says = (nri: unknown) => ({
      call: () => Promise.resolve({ info: { config: JSON.stringify({ nri }) } }),
      close: () => undefined,
    });
    const problem = 'another process serves /run/nri.sock; stop it first';
    const [finding] = told(await checkNriService(says({ problem }), '/run/nri.sock'));
    assert.match(finding ?? '', /^warning: NRI plugins cannot connect: another process serves .* -> ss /);
    assert.deepEqual(await checkNriService(says({ problem: '' }), '/run/nri.sock'), []);
    const silent = { call: () => Promise.reject(new Error('nobody')), close: () => undefined };
    assert.deepEqual(await checkNriService(silent, '/run/nri.sock'), []);
  });
});
