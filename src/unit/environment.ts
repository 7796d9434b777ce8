import { readFile } from 'node:fs/promises';
import { splitWords } from './exec-start.js';

/**
 * The variables of a unit: `assignments` in the form of Environment= (systemd.exec(5)), then those of the files, which count
 * more. What cannot be read is passed over, as systemd does with a `-` before the path.
 */
export async function environmentOf(
  assignments: readonly string[],
  files: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const env = new Map<string, string>();
  const set = (text: string): void => {
    const [, name = '', value = ''] = /^(\w+)=(.*)$/s.exec(text) ?? [];
    if (name !== '') env.set(name, value);
  };
  for (const line of assignments) splitWords(line.replaceAll('$', '$$$$'), {}).forEach(set);
  for (const path of files) {
    for (const line of (await readFile(path, 'utf8').catch(() => '')).split('\n')) {
      const [, name = '', value = ''] = /^\s*(\w+)=(.*)$/.exec(line) ?? [];
      if (name !== '') set(`${name}=${splitWords(value.replaceAll('$', '$$$$'), {}).join(' ')}`);
    }
  }
  return Object.fromEntries(env);
}

/** The same for the text of a unit file. */
export function environmentIn(unitText: string): Promise<Readonly<Record<string, string>>> {
  const values = (key: string): string[] =>
    [...unitText.matchAll(new RegExp(`^\\s*${key}\\s*=\\s*(.*?)\\s*$`, 'gm'))].map(([, value = '']) => value);
  return environmentOf(
    values('Environment'),
    values('EnvironmentFile').map((path) => path.replace(/^-/, '')),
  );
}
