import { messageOf } from '../util/cri-error.js';
import { OPTIONS, OPTION_NAMES, camelCase } from './options.js';
import type { GivenOption, GivenOptions, OptionKind, OptionName } from './options.js';
import { readYamlFile } from '../util/yaml-file.js';

/** What a config file must say of itself, as the kubelet's does. */
export const FILE_HEADER = { apiVersion: 'config.cridock.io/v1', kind: 'CridockConfiguration' } as const;

/**
 * Reads a config file: YAML (JSON is YAML too) with `apiVersion` and `kind`, and a key for each flag, in camelCase, with
 * text, numbers, booleans, and lists of text. Unknown and repeated keys are refused. Adds what is wrong with it to
 * `problems`, all of it, each with the key.
 */
export function readConfigFile(path: string, problems: string[]): GivenOptions {
  const given = new Map<OptionName, GivenOption>();
  let content: Readonly<Record<string, unknown>>;
  try {
    content = readYamlFile(path);
  } catch (error) {
    problems.push(`--config ${path}: ${messageOf(error)}`);
    return given;
  }
  for (const [key, expected] of Object.entries(FILE_HEADER)) {
    if (content[key] !== expected) problems.push(`${path}: ${key}: must be ${expected}`);
  }
  const names = new Map(OPTION_NAMES.map((name) => [camelCase(name), name]));
  for (const [key, value] of Object.entries(content)) {
    if (key in FILE_HEADER) continue;
    const source = `${path}: ${key}`;
    const name = names.get(key);
    if (name === undefined) {
      problems.push(`${source}: unknown key`);
      continue;
    }
    const values = valuesOf(value, OPTIONS[name].kind);
    if (values === undefined) problems.push(`${source}: must be ${EXPECTED[OPTIONS[name].kind]}`);
    else given.set(name, { values, source });
  }
  return given;
}

const EXPECTED: Readonly<Record<OptionKind, string>> = {
  text: 'a text or a number',
  boolean: 'true or false',
  commas: 'a list of texts, or a text with commas',
  list: 'a list of texts',
};

function valuesOf(value: unknown, kind: OptionKind): string[] | undefined {
  const texts = Array.isArray(value) ? textsIn(value) : undefined;
  switch (kind) {
    case 'list':
      return texts;
    case 'commas':
      return typeof value === 'string' ? [value] : texts && [texts.join(',')];
    case 'boolean':
      return typeof value === 'boolean' ? [String(value)] : undefined;
    case 'text':
      return ['string', 'number', 'boolean'].includes(typeof value) ? [String(value)] : undefined;
  }
}

function textsIn(items: readonly unknown[]): string[] | undefined {
  return items.every((item) => typeof item === 'string') ? [...items] : undefined;
}
