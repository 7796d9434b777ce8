import { COMMAND_FLAGS, COMMAND_NAMES, COMMON_FLAGS, commandSpec, isCommandName } from './commands.js';
import type { CommandName } from './commands.js';
import { OPTIONS, OPTION_NAMES, type Option } from './options.js';

const WIDTH = 110;
const FLAG_COLUMN = 38;

/** The help of a command, of those that begin with `config`, or of the whole program for any other name. */
export function helpOf(program: string, name: string): string {
  if (name === 'config') return listOf(program, (one) => one.startsWith('config '));
  return name !== '' && isCommandName(name) ? helpOfCommand(program, name) : helpOfProgram(program);
}

function helpOfProgram(program: string): string {
  const { examples } = commandSpec('');
  return sections(
    listOf(program, () => true),
    ...settingSections(),
    section('Options:', commonFlags()),
    section('Examples:', exampleLines(program, examples)),
    `${program} help COMMAND says more of a command.`,
  );
}

function helpOfCommand(program: string, name: CommandName): string {
  const { describe, operands, details, examples, takesSettings } = commandSpec(name);
  const own = Object.entries(COMMAND_FLAGS).filter(([, { commands }]) => commands.includes(name));
  return sections(
    `Usage: ${[program, name, operands, '[flags]'].filter((word) => word !== '').join(' ')}`,
    `${describe}.`,
    ...details.map((paragraph) => wrapped(paragraph, 0)),
    section(
      'Flags:',
      own.map(([flag, { takes, short, describe: text }]) =>
        item(`${short === undefined ? '' : `-${short}, `}--${flag}${takes === 'text' ? ' VALUE' : ''}`, text),
      ),
    ),
    section('Options:', commonFlags()),
    takesSettings ? `All settings of the service can be given too: ${program} --help lists them.` : '',
    section('Examples:', exampleLines(program, examples)),
  );
}

/** Usage, and the commands of that name with what they do. */
function listOf(program: string, isListed: (name: CommandName) => boolean): string {
  const lines = COMMAND_NAMES.filter(isListed).map((name) =>
    item(`${program} ${name || '[flags]'}`, commandSpec(name).describe, 24),
  );
  return [`Usage: ${program} [command] [flags]`, '', ...lines].join('\n');
}

function settingSections(): string[] {
  const groups = new Map<string, string[]>();
  for (const name of OPTION_NAMES) {
    const { group, kind, default: preset, describe }: Option = OPTIONS[name];
    const term = `--${name}${kind === 'boolean' ? '' : ' VALUE'}`;
    const text = `${describe} [default: ${preset === '' ? "''" : preset}]`;
    groups.set(group, [...(groups.get(group) ?? []), item(term, text)]);
  }
  return [...groups].map(([group, items]) => section(`${group}:`, items));
}

function commonFlags(): string[] {
  return Object.entries(COMMON_FLAGS).map(([flag, { describe, value }]) =>
    item(`--${flag}${value === undefined ? '' : ' VALUE'}`, describe),
  );
}

function exampleLines(program: string, examples: readonly (readonly [string, string])[]): string[] {
  return examples.map(([line, what]) => `  ${`${program} ${line}`.trim()}\n      ${what}`);
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [title, ...lines].join('\n');
}

function sections(...texts: readonly string[]): string {
  return texts.filter((text) => text !== '').join('\n\n');
}

/** A term, and beside it, or below where it is too long, its text. */
function item(term: string, text: string, column = FLAG_COLUMN): string {
  const body = wrapped(text, column);
  return term.length + 4 > column
    ? `  ${term}\n${' '.repeat(column)}${body}`
    : `  ${term}`.padEnd(column) + body;
}

/** The text in lines; all but the first begin at `column`. */
function wrapped(text: string, column: number): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > WIDTH - column) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join(`\n${' '.repeat(column)}`);
}
