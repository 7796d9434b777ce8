import { readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { build, type Plugin } from 'esbuild';

/*
 * Usage: node bundle.js FOLDER COMMIT
 * Writes what a single executable holds into FOLDER: cridock.cjs (all code in one file) and package.json.
 */

// Compiled, this file is <root>/<outDir>/deploy/package/bundle.js.
const ROOT = join(import.meta.dirname, '../../..');

/**
 * Parts of dockerode that cridock never calls: access to Engines over SSH (with native code), and image builds (with a
 * second gRPC library).
 */
const LEFT_OUT = [
  join('docker-modem', 'lib', 'ssh'),
  join('dockerode', 'lib', 'session'),
  join('dockerode', 'lib', 'buildkit'),
];

const leaveOut: Plugin = {
  name: 'leave-out',
  setup: (bundler) => {
    bundler.onResolve({ filter: /^\.\// }, ({ path, resolveDir }) => {
      const target = join(resolveDir, path);
      const isLeftOut = LEFT_OUT.some((part) => target.endsWith(join(`${sep}node_modules`, part)));
      return isLeftOut ? { path: target, namespace: 'left-out' } : undefined;
    });
    bundler.onLoad({ filter: /./, namespace: 'left-out' }, () => ({
      contents: 'module.exports = () => { throw new Error("left out of this executable"); };',
    }));
  },
};

async function bundle(outfile: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, 'src/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [leaveOut],
    // An executable's main file is CommonJS, which has no import.meta.
    define: { 'import.meta.url': 'importMetaUrl' },
    banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
  });
}

/** What `--version` and `--buildinfo` tell. */
function manifest(commit: string): string {
  const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  return JSON.stringify({ version, gitHead: commit, dependencies });
}

const [folder, commit] = process.argv.slice(2);
if (folder === undefined || commit === undefined) throw new Error('usage: bundle.js FOLDER COMMIT');
await bundle(join(folder, 'cridock.cjs'));
writeFileSync(join(folder, 'package.json'), manifest(commit));
