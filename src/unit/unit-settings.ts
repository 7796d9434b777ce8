import { parseCommandLine, type GivenSettings } from '../cli/command-line.js';
import { configFiles } from '../cli/config-files.js';
import type { SettingSources } from '../cli/config.js';
import { messageOf } from '../util/cri-error.js';
import type { ServiceUnit } from './service-unit.js';

/** The settings of a unit's service, below those of a command line that looks at it. */
export interface UnitSettings {
  readonly sources: SettingSources;
  /** Why the unit's own flags cannot be read, and count for nothing; undefined when they can. */
  readonly problem: string | undefined;
}

/**
 * What counts for the service of `unit`: its flags and variables, and the config files that it reads, with what the command
 * line and the environment of this process say on top.
 */
export async function settingsOfUnit(
  unit: ServiceUnit | undefined,
  { flags, configFile }: GivenSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<UnitSettings> {
  const given = { flags, configFile };
  if (unit === undefined || unit.words.length === 0)
    return { sources: sourcesOf(given, env), problem: undefined };
  try {
    const own = await settingsOf(unit.words, unit.name);
    return {
      sources: sourcesOf(
        { flags: new Map([...own.flags, ...flags]), configFile: configFile ?? own.configFile },
        { ...unit.env, ...env },
      ),
      problem: undefined,
    };
  } catch (error) {
    return { sources: sourcesOf(given, { ...unit.env, ...env }), problem: messageOf(error) };
  }
}

/** The settings that these words of a unit give. Throws a UsageError. */
export async function settingsOf(words: readonly string[], unit: string): Promise<GivenSettings> {
  // Of `node main.js --flags` too, the flags are what begins with a dash.
  const first = words.findIndex((word, index) => index > 0 && word.startsWith('-'));
  const command = await parseCommandLine(first === -1 ? [] : words.slice(first), 'cridock');
  if (command.kind !== 'serve') throw new Error('they do not start the service');
  const flags = [...command.settings.flags].map(
    ([name, { values, source }]) => [name, { values, source: `${source} of ${unit}` }] as const,
  );
  return { flags: new Map(flags), configFile: command.settings.configFile };
}

function sourcesOf(
  { flags, configFile }: GivenSettings,
  env: Readonly<Record<string, string | undefined>>,
): SettingSources {
  return { flags, env, configFiles: configFiles(configFile) };
}
