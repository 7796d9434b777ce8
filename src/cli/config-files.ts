import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Where the settings of a node are, unless --config names another file. */
export const DEFAULT_CONFIG_FILE = '/etc/cridock/config.yaml';

/**
 * The config files that count, the later ones more than the earlier: `named` alone, or the standard file, where there is one,
 * and then what the folder `conf.d` beside it has of `*.yaml` and `*.yml`, by name. To name the standard file is to have
 * its folder too. Throws an Error when the folder cannot be read.
 */
export function configFiles(named: string | undefined, standard = DEFAULT_CONFIG_FILE): string[] {
  if (named !== undefined && resolve(named) !== standard) return [named];
  const main = named !== undefined || existsSync(standard) ? [standard] : [];
  const folder = join(dirname(standard), 'conf.d');
  if (!existsSync(folder)) return main;
  const beside = readdirSync(folder)
    .filter((name) => /^[^.].*\.ya?ml$/.test(name))
    .sort();
  return [...main, ...beside.map((name) => join(folder, name))];
}
