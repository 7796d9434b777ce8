import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';

/** The members of a YAML (or JSON) file that is a mapping. Throws an Error that says what is wrong, with line and column. */
export function readYamlFile(path: string): Readonly<Record<string, unknown>> {
  return parseYamlMapping(readFileSync(path, 'utf8'));
}

/** Likewise of such a text. */
export function parseYamlMapping(text: string): Readonly<Record<string, unknown>> {
  const document = parseDocument(text);
  const problems = [...document.errors, ...document.warnings];
  // After the first line of a message come the lines of the file that it is about.
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message.split('\n')[0]).join('; '));
  const content: unknown = document.toJS();
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new Error('not a mapping of keys to values');
  }
  return { ...content };
}
