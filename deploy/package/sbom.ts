import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/*
 * Usage: npm sbom --sbom-format cyclonedx | node sbom.js FOLDER
 * Prints the bill of materials of a release, as CycloneDX. Of npm's, which lists all that is installed, it keeps the packages
 * that are in the executable (FOLDER/bundled.txt: `name version` a line); it adds Node.js and the libraries in it, by what that says
 * of itself (FOLDER/node-versions.json), with the hashes of the npm packages that it comes from (FOLDER/node-packages.txt:
 * `package sha256` a line). The same input and SOURCE_DATE_EPOCH give the same bytes.
 */

interface Component {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly [more: string]: unknown;
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

interface Bom {
  readonly metadata: { readonly component: Component & { readonly 'bom-ref': string } };
  readonly components: readonly (Component & { readonly 'bom-ref': string })[];
  readonly dependencies: readonly Dependency[];
}

/** Of what Node.js says of itself, these are no libraries. */
const NO_LIBRARIES = ['node', 'modules', 'napi', 'cldr', 'tz', 'unicode'];

const lines = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');

function nodeComponent(versions: Readonly<Record<string, string>>, hashes: readonly string[]): Component {
  const { node = '' } = versions;
  const libraries = Object.entries(versions).filter(
    ([name, version]) => version !== '' && !NO_LIBRARIES.includes(name),
  );
  return {
    'bom-ref': 'nodejs',
    type: 'platform',
    name: 'Node.js',
    version: node,
    cpe: `cpe:2.3:a:nodejs:node.js:${node}:*:*:*:lts:*:*:*`,
    purl: `pkg:github/nodejs/node@v${node}`,
    externalReferences: hashes.map((line) => {
      const [name = '', content] = line.split(' ');
      const url = `https://www.npmjs.com/package/${name}/v/${node}`;
      return { type: 'distribution', url, hashes: [{ alg: 'SHA-256', content }] };
    }),
    components: libraries.map(([name, version]) => ({
      'bom-ref': `nodejs/${name}@${version}`,
      type: 'library',
      name,
      version,
    })),
  };
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: sbom.js FOLDER');
const bom = JSON.parse(await text(process.stdin)) as Bom;
const bundled = new Set(lines(join(folder, 'bundled.txt')));
const root = bom.metadata.component;
const components = bom.components.filter(({ name, version }) => bundled.delete(`${name} ${version}`));
if (bundled.size > 0) throw new Error(`npm does not know ${[...bundled].join(', ')}`);
const refs = new Set([...components, root].map((one) => one['bom-ref']));
const dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) }));
const versions = JSON.parse(readFileSync(join(folder, 'node-versions.json'), 'utf8')) as Record<
  string,
  string
>;
const release = {
  ...bom,
  // npm's is random.
  serialNumber: '',
  metadata: {
    timestamp: new Date(Number(process.env['SOURCE_DATE_EPOCH'] ?? 0) * 1000)
      .toISOString()
      .replace('.000', ''),
    component: { ...root, type: 'application', name: 'cridock' },
  },
  components: [...components, nodeComponent(versions, lines(join(folder, 'node-packages.txt')))],
  dependencies: [
    ...dependencies.map((one) =>
      one.ref === root['bom-ref'] ? { ...one, dependsOn: [...one.dependsOn, 'nodejs'] } : one,
    ),
    { ref: 'nodejs', dependsOn: [] },
  ],
};
const digest = createHash('sha256').update(JSON.stringify(release)).digest('hex');
// A UUID of what is in it: RFC 9562, version 8.
const uuid = [
  digest.slice(0, 8),
  digest.slice(8, 12),
  `8${digest.slice(13, 16)}`,
  `a${digest.slice(17, 20)}`,
  digest.slice(20, 32),
];
console.log(JSON.stringify({ ...release, serialNumber: `urn:uuid:${uuid.join('-')}` }, undefined, 2));
