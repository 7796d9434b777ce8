import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT, buildExecutable } from '../support/debian-node.js';

interface Component {
  readonly name: string;
  readonly version: string;
  readonly licenses?: readonly unknown[];
  readonly components?: readonly Component[];
}

const inRoot = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

/** Runs a shell's words in the repository; what they print. */
function shell(script: string, env: Record<string, string> = {}): string {
  return execFileSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
}

describe('a release', () => {
  let work = '';
  before(() => {
    work = mkdtempSync(path.join(tmpdir(), 'cridock-release-'));
    buildExecutable();
  });
  after(() => rmSync(work, { recursive: true }));

  it('lists what is in the executable, the same each time', () => {
    const make = (): string =>
      shell('npm sbom --sbom-format cyclonedx | node dist/deploy/package/sbom.js dist/package', {
        SOURCE_DATE_EPOCH: '1700000000',
      });
    const text = make();
    assert.equal(make(), text);
    const { components } = JSON.parse(text) as { components: readonly Component[] };
    const [node] = components.filter(({ name }) => name === 'Node.js');
    const packages = components.filter((one) => one !== node);
    const bundled = inRoot('dist/package/bundled.txt').trim().split('\n');
    assert.deepEqual(
      packages.map(({ name, version }) => `${name} ${version}`).sort(),
      [...new Set(bundled)].sort(),
    );
    for (const { name, licenses = [] } of packages) assert.ok(licenses.length > 0, `${name} has no licence`);
    const libraries = node?.components?.map(({ name }) => name) ?? [];
    for (const library of ['v8', 'openssl', 'uv']) assert.ok(libraries.includes(library), library);
    assert.match(text, /"content": "[0-9a-f]{64}"/);
  });

  it('is signed by the key that it is given, and by no other', () => {
    const home = path.join(work, 'gnupg');
    const folder = path.join(work, 'release');
    for (const one of [home, folder]) mkdirSync(one, { mode: 0o700 });
    writeFileSync(path.join(folder, 'SHA256SUMS'), 'sums\n');
    const env = {
      GNUPGHOME: home,
      CRIDOCK_RELEASE_KEY: path.join(work, 'key'),
      CRIDOCK_RELEASE_PASSPHRASE: 'a b',
    };
    try {
      shell(
        `gpg --batch --quiet --pinentry-mode loopback --passphrase 'a b' --quick-generate-key releases@example.org default sign 2>/dev/null
        gpg --batch --pinentry-mode loopback --passphrase 'a b' --armor --export-secret-keys >$CRIDOCK_RELEASE_KEY
        deploy/package/sign.sh ${folder}`,
        env,
      );
      const verify = `cd ${folder}; gpg --dearmor <cridock-release-key.asc >key.gpg; gpgv --quiet --keyring ./key.gpg SHA256SUMS.asc SHA256SUMS 2>/dev/null`;
      shell(verify, env);
      writeFileSync(path.join(folder, 'SHA256SUMS'), 'others\n');
      assert.throws(() => shell(verify, env));
    } finally {
      shell('gpgconf --kill all', env);
    }
  });

  const skip =
    process.env['CRIDOCK_TEST_FULL'] === undefined
      ? 'ten minutes: CRIDOCK_TEST_FULL=1 makes it twice'
      : false;
  it('has the same bytes each time, wherever it is made', { skip }, () => {
    const sums = ['one', 'another/folder'].map((place) => {
      const clone = path.join(work, place);
      shell(`git clone --quiet . ${clone}; cd ${clone}; npm run --silent release >&2`);
      const files = readdirSync(path.join(clone, 'dist/release')).sort();
      assert.deepEqual(
        ['.deb', '.rpm', '.tgz', '.cdx.json', 'SHA256SUMS'].map(
          (end) => files.filter((file) => file.endsWith(end)).length,
        ),
        [2, 2, 2, 1, 1],
      );
      return readFileSync(path.join(clone, 'dist/release/SHA256SUMS'), 'utf8');
    });
    assert.equal(sums[0], sums[1]);
  });
});
