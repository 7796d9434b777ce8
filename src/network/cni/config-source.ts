import type { Logger } from '../../util/log.js';
import { readConfigFolder, type FolderContent } from './config-folder.js';
import { KeptContent } from './kept-content.js';

/**
 * The node's network configuration. It is looked at anew for each use: what counts is always what the folder holds now,
 * whether the folder was just made, emptied or replaced. Changes are logged when they are seen.
 */
export class ConfigSource {
  readonly #confDir: string;
  readonly #binDirs: readonly string[];
  readonly #log: Logger;
  readonly #kept: KeptContent;
  #last: FolderContent = { network: undefined, problems: [] };
  #loggedSummary = '';

  constructor(confDir: string, binDirs: readonly string[], log: Logger) {
    this.#confDir = confDir;
    this.#binDirs = binDirs;
    this.#log = log;
    this.#kept = new KeptContent(confDir);
  }

  /** What was found at the last look. */
  get last(): FolderContent {
    return this.#last;
  }

  /** Looks into the folder. Never throws. */
  async read(): Promise<FolderContent> {
    const content = await this.#kept.get(() => readConfigFolder(this.#confDir, this.#binDirs));
    if (content === this.#last) return content;
    this.#last = content;
    this.#logChange(content);
    return content;
  }

  /** Why there is no network, in the words that the field's tools look for, then what is wrong in particular. */
  explain({ problems }: FolderContent): string {
    const confDir = this.#confDir;
    if (problems.length === 0) return `cni config uninitialized: no network configuration in ${confDir}`;
    const details = problems.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
    return `cni config uninitialized: no usable network configuration in ${confDir}: ${details}`;
  }

  #logChange({ network, problems }: FolderContent): void {
    const summary = JSON.stringify([network?.path, network?.config.text, problems]);
    if (summary === this.#loggedSummary) return;
    this.#loggedSummary = summary;
    for (const { path, reason } of problems)
      this.#log.warn('a CNI configuration cannot be used', { path, reason });
    if (network === undefined) this.#log.warn('no CNI network configuration', { confDir: this.#confDir });
    else this.#log.info('CNI network configuration', { path: network.path, network: network.config.name });
  }
}
