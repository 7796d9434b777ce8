import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { bundledPackages } from '../../../deploy/package/notices.js';

// Compiled, this file is <root>/<outDir>/test/unit/deploy/notices.test.js.
const ROOT = join(import.meta.dirname, '../../../..');

describe('the notices of third parties', () => {
  let folder: string;
  let notices: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cridock-notices-'));
    writeFileSync(join(folder, 'LICENSE'), 'The terms of Node.js.');
    const bundle = join(import.meta.dirname, '../../../deploy/package/bundle.js');
    execFileSync(process.execPath, [bundle, folder, 'HEAD', '24.0.0', join(folder, 'LICENSE')]);
    notices = readFileSync(join(folder, 'third-party-notices.txt'), 'utf8');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('name each package of the bundle, with its version, its terms and their text', async () => {
    // The sources as esbuild sees them, apart from how the executable's bundle is made.
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: ['src/main.ts'],
      bundle: true,
      platform: 'node',
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    const packages = bundledPackages(Object.keys(metafile.inputs), ROOT);
    const names = new Set(packages.map(({ name }) => name));
    for (const name of ['@grpc/grpc-js', 'dockerode', 'winston', 'yargs']) assert.ok(names.has(name), name);
    // Left out of the executable, and without code: an empty package stands in for it.
    for (const { name, version, license, text } of packages.filter(
      ({ name: other }) => other !== 'empty-npm-package',
    )) {
      assert.ok(notices.includes(`\n${name} ${version} (${license})\n`), `${name} ${version} is not named`);
      assert.ok(notices.includes(text.trim()), `the terms of ${name} are missing`);
      assert.match(text, /permi|licen[sc]e/i, name);
    }
  });

  it('hold the terms of Node.js', () => {
    assert.match(notices, /Node\.js 24\.0\.0[^]*The terms of Node\.js\./);
  });

  it('are not made of a package whose terms nobody has looked at', () => {
    const module = join(folder, 'node_modules/odd');
    execFileSync('mkdir', ['-p', module]);
    writeFileSync(
      join(module, 'package.json'),
      JSON.stringify({ name: 'odd', version: '1.0.0', license: 'BUSL-1.1' }),
    );
    assert.throws(
      () => bundledPackages(['node_modules/odd/index.js'], folder),
      /BUSL-1\.1 has not been looked at/,
    );
  });
});
