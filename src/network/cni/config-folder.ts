import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { messageOf } from '../../util/cri-error.js';
import { parseNetworkList, parseSinglePlugin, type NetworkConfig } from './network-config.js';
import { findPlugin } from './plugin-binary.js';

/** A configuration file that cannot be used. */
export interface ConfigProblem {
  path: string;
  reason: string;
}

/** What a configuration folder holds now. */
export interface FolderContent {
  /** The network that pods are attached to, the file that it comes from, and its plugins' programs. */
  network: { path: string; config: NetworkConfig; programs: string[] } | undefined;
  /** The files that were passed over, in order. */
  problems: ConfigProblem[];
}

/**
 * Reads the folder of CNI configurations: of the files that end in .conf, .conflist and .json, sorted by name, the
 * first one counts that is sound and whose plugins are installed (as in cri-dockerd). Never throws: what is wrong
 * is told in `problems`; a folder that is not there is empty.
 */
export async function readConfigFolder(confDir: string, binDirs: readonly string[]): Promise<FolderContent> {
  const problems: ConfigProblem[] = [];
  for (const path of await listConfigFiles(confDir, problems)) {
    try {
      const text = await readFile(path, 'utf8');
      const config = path.endsWith('.conflist') ? parseNetworkList(text) : parseSinglePlugin(text);
      const programs = findPlugins(config, binDirs);
      return { network: { path, config, programs }, problems };
    } catch (error) {
      problems.push({ path, reason: messageOf(error) });
    }
  }
  return { network: undefined, problems };
}

async function listConfigFiles(confDir: string, problems: ConfigProblem[]): Promise<string[]> {
  try {
    const entries = await readdir(confDir, { withFileTypes: true });
    return entries
      .filter(
        (entry) => (entry.isFile() || entry.isSymbolicLink()) && /\.(conf|conflist|json)$/.test(entry.name),
      )
      .map((entry) => join(confDir, entry.name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      problems.push({ path: confDir, reason: messageOf(error) });
    }
    return [];
  }
}

function findPlugins({ plugins }: NetworkConfig, binDirs: readonly string[]): string[] {
  const programs: string[] = [];
  for (const { type } of plugins) {
    const program = findPlugin(type, binDirs);
    if (program === undefined) throw new Error(`plugin ${type} is not installed in ${binDirs.join(', ')}`);
    programs.push(program);
  }
  return programs;
}
