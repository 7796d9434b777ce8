import { messageOf } from '../util/cri-error.js';
import { loadConfig } from './config.js';
import { FILE_HEADER } from './config-file.js';
import { OPTIONS, isOptionName, type OptionName } from './options.js';
import { settingLine } from './print-config.js';

/** What became of the flags of a unit. */
export interface ImportedFlags {
  /** A config file. */
  readonly text: string;
  /** How many settings are in it. */
  readonly settings: number;
  /** Flags that cridock does not know, as they were written, and what is wrong with others. */
  readonly leftOut: readonly string[];
}

/** Settings that the unit decides: to keep them in a file would take the socket away from its own unit. */
const OF_UNIT: readonly OptionName[] = ['container-runtime-endpoint'];

/** The flags `words`, which follow the program's name in `source`, as a config file. Lists come together; else the last one counts. */
export function importFlags(words: readonly string[], source: string): ImportedFlags {
  const given = new Map<OptionName, string[]>();
  const unknown: string[] = [];
  const refused: string[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const [, name = '', inline] = /^--?([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (!isOptionName(name)) {
      unknown.push(word);
      continue;
    }
    const { kind } = OPTIONS[name];
    // A boolean flag has its value behind an equals sign, or stands alone.
    let value = inline;
    if (value === undefined && kind === 'boolean') value = 'true';
    if (value === undefined) value = words[(index += 1)] ?? '';
    if (OF_UNIT.includes(name)) continue;
    const problem = problemWith(name, value);
    if (problem === undefined)
      given.set(name, kind === 'list' ? [...(given.get(name) ?? []), value] : [value]);
    else refused.push(problem);
  }
  const lines = [
    `# The flags of ${source}, as cridock config import found them.`,
    ...unknown.map((word) => `# Unknown to cridock, and left out: ${JSON.stringify(word)}`),
    ...refused.map((problem) => `# Refused, and left out: ${problem.replaceAll('\n', ' ')}`),
    ...Object.entries(FILE_HEADER).map(([key, value]) => `${key}: ${value}`),
    ...[...given].map(([name, values]) => settingLine(name, values, `--${name}`)),
  ];
  return { text: lines.join('\n'), settings: given.size, leftOut: [...unknown, ...refused] };
}

function problemWith(name: OptionName, value: string): string | undefined {
  try {
    loadConfig({
      flags: new Map([[name, { values: [value], source: `--${name}` }]]),
      env: {},
      configFiles: [],
    });
    return undefined;
  } catch (error) {
    // One of a pair of flags alone is no problem of its own.
    return messageOf(error).includes('belong together') ? undefined : messageOf(error);
  }
}
