import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cdiNames } from '../convert/companion/cdi-spec.js';
import { messageOf } from '../util/cri-error.js';
import { isMissing } from '../util/is-missing.js';
import { parseYamlMapping } from '../util/yaml-file.js';

/** A specification of the Container Device Interface, as it is written. */
export interface CdiFile {
  readonly path: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Which file has a device, by its name `vendor/class=device`. */
export interface CdiDevices {
  readonly folders: readonly string[];
  readonly files: ReadonlyMap<string, CdiFile>;
  /** Files that cannot be read, and devices that two files of one folder have, which are nobody's. */
  readonly problems: readonly string[];
}

/** Reads the specifications in these folders: later ones have precedence. */
export async function readCdiDevices(folders: readonly string[]): Promise<CdiDevices> {
  const files = new Map<string, CdiFile>();
  const problems: string[] = [];
  for (const folder of folders) {
    const found = new Map<string, CdiFile>();
    const conflicts = new Set<string>();
    for (const path of await specificationsIn(folder, problems)) {
      const file = await read(path).catch((error: unknown) => {
        problems.push(`${path}: ${messageOf(error)}`);
        return undefined;
      });
      for (const name of file === undefined ? [] : cdiNames(file.spec)) {
        const other = found.get(name);
        if (other !== undefined) {
          problems.push(`${other.path} and ${path} both have "${name}"`);
          conflicts.add(name);
        } else if (file !== undefined) found.set(name, file);
      }
    }
    for (const [name, file] of found) files.set(name, file);
    for (const name of conflicts) files.delete(name);
  }
  return { folders, files, problems };
}

async function specificationsIn(folder: string, problems: string[]): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => /\.(json|yaml)$/.test(name)).map((name) => join(folder, name));
  } catch (error) {
    if (!isMissing(error)) problems.push(messageOf(error));
    return [];
  }
}

async function read(path: string): Promise<CdiFile> {
  const text = await readFile(path, 'utf8');
  // JSON is YAML, but for tabs, and read in a fraction of the time.
  const isJson = text.trimStart().startsWith('{');
  return { path, spec: isJson ? (JSON.parse(text) as Record<string, unknown>) : parseYamlMapping(text) };
}
