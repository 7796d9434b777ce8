import { readFileSync } from 'node:fs';
import { messageOf } from '../util/cri-error.js';
import { OPTIONS, OPTION_NAMES, camelCase } from './options.js';
import type { GivenOption, GivenOptions, OptionKind, OptionName } from './options.js';

/**
 * Reads a config file: a JSON object whose keys are the flags in camelCase, with text, numbers, booleans, and arrays
 * of text for lists. Adds what is wrong with it to `problems`, all of it, each with the key's path.
 */
export function readConfigFile(path: string, problems: string[]): GivenOptions {
  const given = new Map<OptionName, GivenOption>();
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    problems.push(`--config ${path}: ${messageOf(error)}`);
    return given;
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    problems.push(`--config ${path}: not a JSON object`);
    return given;
  }
  const names = new Map(OPTION_NAMES.map((name) => [camelCase(name), name]));
  for (const [key, value] of Object.entries(content)) {
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
  list: 'an array of texts',
};

function valuesOf(value: unknown, kind: OptionKind): string[] | undefined {
  if (kind === 'list') {
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  }
  if (typeof value === 'boolean') return [String(value)];
  if (kind === 'text' && (typeof value === 'string' || typeof value === 'number')) return [String(value)];
  return undefined;
}
