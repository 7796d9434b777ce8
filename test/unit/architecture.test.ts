import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, it } from 'node:test';

// Compiled, this file is <root>/<outDir>/test/unit/architecture.test.js.
const ROOT = join(import.meta.dirname, '../../..');

/** Each part of src may import from itself and from the parts on lower lines; those on one line stay apart. */
const LAYERS = [
  ['main'],
  ['program'],
  ['app', 'migrate', 'sysdump'],
  ['doctor', 'status'],
  ['unit'],
  ['cli', 'server', 'streaming'],
  ['cri'],
  ['checkpoint'],
  ['images', 'events', 'limits', 'stats', 'companion', 'nri'],
  ['docker', 'state', 'network', 'logs', 'node', 'observability', 'client'],
  ['convert'],
  ['util'],
  ['gen'],
];
/** Types that parts beside and below docker may know it by: Docker's JSON, and the interface of the Engine. */
const ENGINE_TYPES: Record<string, string[]> = {
  'src/docker/types.ts': ['state', 'network', 'logs', 'convert'],
  'src/docker/engine.ts': ['state', 'network', 'logs'],
};
/** Packages that few folders alone know. */
const HOMES: Record<string, string[]> = {
  '@grpc/grpc-js': ['server', 'client'],
  protobufjs: ['server', 'client', 'nri'],
  dockerode: ['docker'],
  'tar-stream': ['checkpoint'],
  ws: ['streaming'],
  winston: ['observability'],
  'prom-client': ['observability'],
  '@opentelemetry/api': ['observability'],
  '@opentelemetry/core': ['observability'],
  '@opentelemetry/exporter-trace-otlp-grpc': ['observability'],
  '@opentelemetry/resources': ['observability'],
  '@opentelemetry/sdk-trace': ['observability'],
  yaml: ['cli', 'util'],
  yargs: ['cli'],
};

interface Import {
  file: string;
  target: string;
  typesOnly: boolean;
}

const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('gen/'))
  .map((name) => `src/${name}`);
const imports = files.flatMap(importsOf);

describe('architecture', () => {
  it('imports go down only', () => {
    const upward = imports
      .filter(({ target }) => target.startsWith('src/'))
      .filter((entry) => !isAllowed(entry));
    assert.deepEqual(
      upward.map(({ file, target }) => `${file} -> ${target}`),
      [],
    );
  });

  it('no two files need each other, directly or through others, not even for their types', () => {
    const targets = new Map(files.map((file) => [file, imports.filter((entry) => entry.file === file)]));
    const done = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      assert.ok(!path.includes(file), `import cycle: ${[...path, file].join(' -> ')}`);
      if (done.has(file)) return;
      for (const { target } of targets.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('what RPCs work with knows no RPC', () => {
    const known = imports
      .filter(({ file, target }) => file === 'src/cri/deps.ts' && target.startsWith('src/cri/'))
      .map(({ target }) => target);
    assert.deepEqual(
      known.filter((target) => !target.startsWith('src/cri/replies/')),
      [],
    );
    const replies = imports.filter(
      ({ file, target }) => file.startsWith('src/cri/replies/') && target.startsWith('src/cri/'),
    );
    assert.deepEqual(
      replies.filter(({ target }) => !target.startsWith('src/cri/replies/')).map(({ file }) => file),
      [],
    );
  });

  it('packages are imported in the folders that they are for', () => {
    const strays = imports.filter(({ file, target }) => {
      const home = HOMES[target.split('/', target.startsWith('@') ? 2 : 1).join('/')];
      return home !== undefined && !home.includes(partOf(file));
    });
    assert.deepEqual(
      strays.map(({ file, target }) => `${file} -> ${target}`),
      [],
    );
  });

  it('there are no barrels, and no state in modules', () => {
    assert.deepEqual(
      files.filter((file) => file.endsWith('/index.ts')),
      [],
    );
    const mutable = /^(?:export )?(?:let |var |const \w+(?:: [^=]+)? = new (?:Weak)?(?:Map|Set)\b)/gm;
    // A set that is declared read-only is a constant.
    const stateful = files.flatMap((file) =>
      (source(file).match(mutable) ?? [])
        .filter((line) => !line.includes('Readonly'))
        .map((line) => `${file}: ${line}`),
    );
    assert.deepEqual(stateful, []);
  });
});

function source(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function importsOf(file: string): Import[] {
  const statement = /^(?:import|export)\b(\s+type\b)?(?:[^'";]*?\bfrom\s+)?\s*'([^']+)';/gm;
  const dynamic = /\bimport\('([^']+)'\)/g;
  const text = source(file);
  return [
    ...[...text.matchAll(statement)].map(([, type, specifier = '']) => ({
      specifier,
      typesOnly: type !== undefined,
    })),
    ...[...text.matchAll(dynamic)].map(([, specifier = '']) => ({ specifier, typesOnly: false })),
  ].map(({ specifier, typesOnly }) => ({ file, target: resolve(file, specifier), typesOnly }));
}

function resolve(file: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
}

function isAllowed({ file, target, typesOnly }: Import): boolean {
  const from = partOf(file);
  const to = partOf(target);
  if (from === to || layerOf(to) > layerOf(from)) return true;
  return typesOnly && (ENGINE_TYPES[target]?.includes(from) ?? false);
}

/** `src/cri/x.ts` is part of cri, `src/app.ts` is app. */
function partOf(file: string): string {
  return file.split('/')[1]?.replace(/\.ts$/, '') ?? '';
}

function layerOf(part: string): number {
  const layer = LAYERS.findIndex((parts) => parts.includes(part));
  assert.notEqual(layer, -1, `src/${part} is in no layer`);
  return layer;
}
