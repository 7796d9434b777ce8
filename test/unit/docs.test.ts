import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { loadConfig } from '../../src/cli/config.js';
import { parseNetworkList } from '../../src/network/cni/network-config.js';
import { parseCommandLine } from '../../src/cli/command-line.js';
import { commandBlocks, documentPages } from '../support/doc-commands.js';
import { withTables } from '../support/compatibility.js';
import { readRuns } from '../support/ran.js';

// Compiled, this file is <root>/<outDir>/test/unit/docs.test.js.
const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('documentation', () => {
  it('has a reference of settings that is made from the code', () => {
    const script = join(import.meta.dirname, '../../deploy/package/flags-reference.js');
    const made = execFileSync(process.execPath, [script], { encoding: 'utf8' });
    assert.equal(
      read('docs/flags.md'),
      made,
      'run: node dist/deploy/package/flags-reference.js >docs/flags.md',
    );
  });

  it('says of what cridock works with how it is known from the runs that were written down', () => {
    const page = read('docs/compatibility.md');
    assert.equal(page, withTables(page, readRuns()), 'run: node dist/test/support/record-run.js');
  });

  it('draws each folder of src, and no other', () => {
    const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((one) =>
      one.isDirectory(),
    );
    const drawing = /```text\n([\s\S]*?)```/.exec(read('docs/architecture.md'))?.[1] ?? '';
    // A narrow box breaks the name after the slash.
    const drawn = drawing.replaceAll(/src\/ /g, '').match(/src\/\w+/g) ?? [];
    for (const { name } of folders)
      assert.match(drawing, new RegExp(`\\b${name}\\b`), `src/${name} is not drawn`);
    for (const name of drawn) assert.ok(existsSync(join(ROOT, name)), `${name} is drawn, and not there`);
  });

  it('has pictures that are made from the code, and show each folder of src', () => {
    const draw = (script: string, ...args: string[]): string =>
      execFileSync(process.execPath, [join(import.meta.dirname, '../../deploy/pictures', script), ...args], {
        encoding: 'utf8',
        cwd: ROOT,
      });
    const architecture = read('docs/pictures/architecture.svg');
    assert.equal(architecture, draw('architecture.js'), 'docs/contributing.md says how pictures are made');
    assert.equal(read('docs/pictures/status.svg'), draw('terminal.js', 'docs/pictures/status.txt'));
    const words = [...architecture.matchAll(/>([^<>]+)<\/text>/g)].flatMap(([, text = '']) =>
      text.split(' '),
    );
    for (const name of readdirSync(join(ROOT, 'src'))) {
      assert.ok(words.includes(name) || name.endsWith('.ts'), `src/${name} is not in the picture`);
    }
  });

  it('names the files of this version', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    const names = [...read('README.md').matchAll(/cridock[_-](\d+\.\d+\.\d+)/g)].map(([, named]) => named);
    assert.ok(names.length >= 4);
    assert.deepEqual([...new Set(names)], [version]);
    assert.match(read('CHANGELOG.md'), new RegExp(`^## ${version}$`, 'm'));
  });

  it('links to what is there', () => {
    for (const page of documentPages(ROOT)) {
      for (const [, target = ''] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        assert.ok(existsSync(join(ROOT, dirname(page), target)), `${page} links to ${target}`);
      }
    }
  });

  it('names files of the sources that are there', () => {
    for (const page of documentPages(ROOT)) {
      for (const [, file = ''] of read(page).matchAll(/`((?:src|test|deploy)\/[\w./-]+\.\w+)`/g)) {
        assert.ok(existsSync(join(ROOT, file)), `${page} names ${file}`);
      }
    }
  });

  it('has commands only in blocks that are run', () => {
    assert.ok(commandBlocks(ROOT).length > 10);
    for (const page of documentPages(ROOT)) {
      const kinds = [...read(page).matchAll(/^```(.+)$/gm)].map(([, kind]) => kind);
      for (const kind of kinds)
        assert.ok(['sh', 'sh node', 'text', 'yaml'].includes(kind ?? ''), `${page}: ${kind ?? ''}`);
    }
  });
});

describe('examples in deploy/', () => {
  for (const name of readdirSync(join(ROOT, 'deploy/cni'))) {
    it(`cni/${name} is a network`, () => {
      assert.ok(parseNetworkList(read(`deploy/cni/${name}`)).plugins.length > 0);
    });
  }

  for (const unit of [
    'systemd/cri-docker.service',
    'minikube/10-cni.conf',
    'kubespray/cri-dockerd.service',
  ]) {
    it(`${unit} starts cridock with flags that it knows`, async () => {
      const lines = [...read(`deploy/${unit}`).matchAll(/^ExecStart=(\S+) (.*)$/gm)];
      assert.equal(lines.length, 1);
      const [, program = '', flags = ''] = lines[0] ?? [];
      assert.match(program, /\/(cridock|cri-dockerd)$/);
      const command = await parseCommandLine(flags.split(' '), 'cridock');
      assert.ok(command.kind === 'serve');
      loadConfig({ flags: command.settings.flags, env: {}, configFiles: [] });
    });
  }

  it('package/config.yaml is a config file', () => {
    const configFile = join(ROOT, 'deploy/package/config.yaml');
    const { cniBinDirs } = loadConfig({ flags: new Map(), env: {}, configFiles: [configFile] });
    assert.deepEqual(cniBinDirs, ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni']);
  });
});
