import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** An npm package whose code is in the bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, as its package.json has it. */
  readonly license: string;
  /** Its licence's text, and its notice's where it has one. */
  readonly text: string;
}

/** Terms that may go into one work under Apache-2.0; others are looked at first. */
const COMPATIBLE = ['Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', '0BSD', 'BlueOak-1.0.0'];

/** Packages that name the licence but bring no text of it: the licence's own words, for `%s` as the holder. */
const TEXTS: Readonly<Record<string, string>> = {
  ISC: `Copyright %s

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted,
provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT,
NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`,
};

/**
 * The packages that these files of a bundle come from (the inputs of esbuild's metafile, relative to `root`), sorted by name.
 * Throws where one has no licence text, or terms that nobody has looked at.
 */
export function bundledPackages(inputs: readonly string[], root: string): BundledPackage[] {
  const folders = new Set(
    inputs.flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []),
  );
  return [...folders]
    .map((folder) => readPackage(join(root, folder)))
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** The text that goes with the executable: who wrote what is inside, and under which terms. */
export function noticesText(
  packages: readonly BundledPackage[],
  nodeVersion: string,
  nodeLicense: string,
): string {
  const unique = new Map(packages.map((part) => [nameOf(part), part]));
  const parts = [...unique.values()].map((part) => section(`${nameOf(part)} (${part.license})`, part.text));
  const intro = [
    'The cridock executable holds Node.js, the libraries that Node.js holds, and the npm packages below. Each is under its own',
    'terms, which follow. cridock itself is under the Apache License 2.0, see LICENSE.',
  ];
  return [...intro, '', ...parts, section(`Node.js ${nodeVersion}, with its libraries`, nodeLicense)].join(
    '\n',
  );
}

function nameOf({ name, version }: BundledPackage): string {
  return `${name} ${version}`;
}

function section(title: string, text: string): string {
  return `${'='.repeat(80)}\n${title}\n${'='.repeat(80)}\n\n${text.trim()}\n`;
}

function readPackage(folder: string): BundledPackage {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
  const [name, version, license] = ['name', 'version', 'license'].map((key) => String(manifest[key]));
  if (name === undefined || version === undefined || license === undefined || !COMPATIBLE.includes(license))
    throw new Error(`${folder}: the licence ${license} has not been looked at`);
  const files = readdirSync(folder).filter((file) => /^(licen[sc]e|copying|notice)/i.test(file));
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8'));
  const text = texts.length > 0 ? texts.join('\n\n') : TEXTS[license]?.replace('%s', holderOf(manifest));
  if (text === undefined) throw new Error(`${folder}: it brings no text of its licence ${license}`);
  return { name, version, license, text };
}

function holderOf({ author, name }: Record<string, unknown>): string {
  if (typeof author === 'string') return author;
  const named = (author as { name?: unknown } | undefined)?.name;
  return typeof named === 'string' ? named : `the authors of ${String(name)}`;
}
