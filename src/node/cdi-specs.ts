import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A key and its plain or quoted value on a line of a specification in YAML or in JSON. */
const ENTRY = /^[\s{,-]*"?(kind|name)"?\s*:\s*["']?([^"'\s,}]+)/;

/**
 * Says whether a specification in these folders has the device `vendor/class=name`. Specifications are read line by line
 * for their `kind` and the names in them, in YAML or in JSON, so that a wrong "yes" is possible where something else in
 * the file has that name; the Engine then refuses the start.
 */
export async function isCdiDeviceKnown(qualifiedName: string, folders: readonly string[]): Promise<boolean> {
  const [kind = '', device = ''] = qualifiedName.split('=');
  for (const folder of folders) {
    for (const text of await specifications(folder)) {
      const entries = entriesOf(text);
      const has = (key: string, value: string): boolean =>
        entries.some((entry) => entry[0] === key && entry[1] === value);
      if (has('kind', kind) && has('name', device)) return true;
    }
  }
  return false;
}

async function specifications(folder: string): Promise<string[]> {
  try {
    const names = (await readdir(folder)).filter((name) => /\.(json|ya?ml)$/.test(name));
    return await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  } catch {
    return []; // a folder that is not there holds no devices
  }
}

function entriesOf(text: string): [string, string][] {
  return text
    .replaceAll(/([{,])/g, '\n$1')
    .split('\n')
    .flatMap((line): [string, string][] => {
      const [, key, value] = ENTRY.exec(line) ?? [];
      return key === undefined || value === undefined ? [] : [[key, value]];
    });
}
