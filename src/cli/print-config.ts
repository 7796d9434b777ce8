import { stringify } from 'yaml';
import { FILE_HEADER } from './config-file.js';
import { gatherOptions, loadConfig, type SettingSources } from './config.js';
import { OPTIONS, OPTION_NAMES, camelCase, type OptionName } from './options.js';

/**
 * All settings as they would count now, as a config file: each with the place that it comes from as a comment. Throws a
 * ConfigError when they cannot be used.
 */
export function printConfig(sources: SettingSources): string {
  loadConfig(sources);
  const given = gatherOptions(sources, []);
  const lines = Object.entries(FILE_HEADER).map(([key, value]) => `${key}: ${value}`);
  for (const name of OPTION_NAMES) {
    const { kind, default: preset } = OPTIONS[name];
    const { values, source } = given.get(name) ?? {
      values: kind === 'list' ? [] : [preset],
      source: 'default',
    };
    lines.push(settingLine(name, values, source));
  }
  return lines.join('\n');
}

/** A line of a config file, with the place that it comes from as a comment. */
export function settingLine(name: OptionName, values: readonly string[], source: string): string {
  return `${camelCase(name)}: ${valueText(OPTIONS[name].kind, values)} # ${source}`;
}

function valueText(kind: (typeof OPTIONS)[keyof typeof OPTIONS]['kind'], values: readonly string[]): string {
  if (kind === 'list') return JSON.stringify(values);
  const text = values[0] ?? '';
  // A boolean was checked for its form, Go's, which has more words than YAML's.
  return kind === 'boolean' ? String(/^[1tT]/.test(text)) : stringify(text, { lineWidth: 0 }).trimEnd();
}
