import type { GivenSettings } from '../cli/command-line.js';
import { ConfigError, loadConfig, type Config, type SettingSources } from '../cli/config.js';
import { listeningSocketOf } from './listening-socket.js';
import { findServiceUnits, type ServiceUnit } from './service-unit.js';
import { settingsOfUnit } from './unit-settings.js';

/** What counts for the service of this node, as far as it can be told. */
export interface OfService {
  /** Undefined where systemd has no unit of it. */
  readonly unit: ServiceUnit | undefined;
  /** Other units that serve CRI, or could. */
  readonly otherUnits: readonly ServiceUnit[];
  readonly sources: SettingSources;
  /** Without what cannot be used. Of an endpoint that systemd listens on, the path that it has. */
  readonly config: Config;
  /** What is wrong with the settings; empty when nothing is. */
  readonly problems: readonly string[];
}

/** Looks at the unit of this node, with what the command line says on top. `ownCommand` are the words that start cridock. */
export async function lookAtService(
  given: GivenSettings,
  env: Readonly<Record<string, string | undefined>>,
  ownCommand: readonly string[],
): Promise<OfService> {
  const [unit, ...otherUnits] = await findServiceUnits(ownCommand);
  const { sources, problem } = await settingsOfUnit(unit, given, env);
  const problems = problem === undefined ? [] : [`flags of ${unit?.name ?? ''}: ${problem}`];
  try {
    return { unit, otherUnits, sources, config: await withSocket(loadConfig(sources), unit), problems };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const config = await withSocket(loadSound(sources, error.problems, given), unit);
    return { unit, otherUnits, sources, config, problems: [...problems, ...error.problems] };
  }
}

/** Those who call the service need a path. */
async function withSocket(config: Config, unit: ServiceUnit | undefined): Promise<Config> {
  if (config.endpoint.kind !== 'systemd' || unit === undefined) return config;
  const path = await listeningSocketOf(unit.name);
  return path === undefined ? config : { ...config, endpoint: { kind: 'unix', path } };
}

/** The settings without the files that something is wrong with, or those of the command line alone. */
function loadSound(sources: SettingSources, problems: readonly string[], { flags }: GivenSettings): Config {
  const isSound = (path: string): boolean => !problems.some((problem) => problem.includes(path));
  try {
    return loadConfig({ ...sources, configFiles: sources.configFiles.filter(isSound) });
  } catch {
    return loadConfig({ flags, env: {}, configFiles: [] });
  }
}
