import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadSync } from '@grpc/proto-loader';
import { FIELD_TESTS, OTHER_MESSAGES } from '../../fields.js';

// Compiled, this file is <root>/<outDir>/test/unit/proto/fields.test.js.
const ROOT = join(import.meta.dirname, '../../../..');

interface DescribedMessage {
  type: { name: string; field: { name: string }[] };
}

const messages = Object.values(loadSync(join(ROOT, 'proto/runtime/v1/api.proto'), { keepCase: true }))
  .filter((definition) => 'type' in definition && 'field' in definition.type)
  .map((definition) => (definition as unknown as DescribedMessage).type);
const rows = FIELD_TESTS.flatMap(([file, fields]) =>
  Object.entries(fields).flatMap(([message, names]) =>
    names.split(' ').map((field) => ({ file, name: `${message}.${field}`, field })),
  ),
);
const others = new Set(Object.values(OTHER_MESSAGES).flatMap((names) => names.split(' ')));

describe('the table of fields and their tests', () => {
  it('has every field of api.proto', () => {
    const known = new Set(rows.map(({ name }) => name));
    const missing = messages
      .filter(({ name }) => !others.has(name))
      .flatMap(({ name: message, field }) => field.map(({ name }) => `${message}.${name}`))
      .filter((name) => !known.has(name));
    assert.deepEqual(missing, []);
  });

  it('has nothing that api.proto lacks', () => {
    const real = new Set(
      messages.flatMap(({ name: message, field }) => field.map(({ name }) => `${message}.${name}`)),
    );
    const stale = rows.map(({ name }) => name).filter((name) => !real.has(name));
    const messageNames = new Set(messages.map(({ name }) => name));
    assert.deepEqual([...stale, ...[...others].filter((name) => !messageNames.has(name))], []);
  });

  it('names tests that speak of the field', () => {
    const silent = rows.filter(({ file, field }) => {
      const text = readFileSync(join(ROOT, 'test', file), 'utf8');
      return !new RegExp(`\\b${field}\\b`).test(text);
    });
    assert.deepEqual(
      silent.map(({ file, name }) => `${name}: ${file}`),
      [],
    );
  });
});
