import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { bundledPackages, noticesText } from './notices.js';

/*
 * Usage: node bundle.js FOLDER COMMIT NODE_VERSION NODE_LICENSE
 * Writes what a single executable holds into FOLDER: cridock.cjs (all code in one file) and package.json; and beside it what
 * must go with it: third-party-notices.txt, with the text of the file NODE_LICENSE; and bundled.txt, the npm packages in it.
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
      // It names the module in the bundle, which is the same wherever it is made.
      return isLeftOut ? { path: relative(ROOT, target), namespace: 'left-out' } : undefined;
    });
    bundler.onLoad({ filter: /./, namespace: 'left-out' }, () => ({
      contents: 'module.exports = () => { throw new Error("left out of this executable"); };',
    }));
  },
};

function options(outfile: string): BuildOptions {
  return {
    absWorkingDir: ROOT,
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
  };
}

/** Writes the bundle; answers the files that are in it, relative to the repository. */
async function bundle(outfile: string): Promise<string[]> {
  const { metafile } = await build({ ...options(outfile), metafile: true });
  return Object.keys(metafile.inputs).filter((input) => !input.startsWith('left-out:'));
}

/** What `--version` and `--buildinfo` tell. */
function manifest(commit: string): string {
  const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  return JSON.stringify({ version, gitHead: commit, dependencies });
}

const [folder, commit, nodeVersion, nodeLicense] = process.argv.slice(2);
if (folder === undefined || commit === undefined || nodeVersion === undefined || nodeLicense === undefined)
  throw new Error('usage: bundle.js FOLDER COMMIT NODE_VERSION NODE_LICENSE');
const inputs = await bundle(join(folder, 'cridock.cjs'));
writeFileSync(join(folder, 'package.json'), manifest(commit));
const packages = bundledPackages(inputs, ROOT);
const notices = noticesText(packages, nodeVersion, readFileSync(nodeLicense, 'utf8'));
writeFileSync(join(folder, 'third-party-notices.txt'), notices);
writeFileSync(
  join(folder, 'bundled.txt'),
  packages.map(({ name, version }) => `${name} ${version}\n`).join(''),
);
