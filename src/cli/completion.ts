import { COMMAND_FLAGS, COMMAND_NAMES, COMMON_FLAGS, commandSpec, type CommandName } from './commands.js';
import { OPTIONS, OPTION_NAMES, type Option } from './options.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The names that the program goes by. */
const PROGRAMS = ['cridock', 'cri-dockerd'];

/** A flag as all three shells are told of it. */
interface Completed {
  readonly flag: string;
  readonly short: string | undefined;
  readonly describe: string;
  /** Nothing for a switch; a path; these words; or a text of which nothing is known. */
  readonly value: 'nothing' | 'path' | 'text' | readonly string[];
}

/** A script that completes commands, flags and their values. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bashScript();
    case 'zsh':
      return zshScript();
    case 'fish':
      return fishScript();
  }
}

/** What may follow a command's name; '' is the service. */
function flagsOf(name: CommandName): Completed[] {
  const own = Object.entries(COMMAND_FLAGS)
    .filter(([, { commands }]) => commands.includes(name))
    .map(([flag, { takes, value, short, describe }]): Completed => {
      return { flag, short, describe, value: takes === 'nothing' ? 'nothing' : (value ?? 'text') };
    });
  const common = Object.entries(COMMON_FLAGS)
    .filter(
      ([flag]) => name === '' || flag === 'help' || (flag === 'config' && commandSpec(name).takesSettings),
    )
    .map(([flag, { describe, value }]): Completed => {
      return { flag, short: undefined, describe, value: value ?? 'nothing' };
    });
  return [...own, ...common, ...(commandSpec(name).takesSettings ? settings() : [])];
}

function settings(): Completed[] {
  return OPTION_NAMES.map((name) => {
    const { kind, default: preset, describe, words }: Option = OPTIONS[name];
    const value = words ?? (preset.startsWith('/') ? 'path' : 'text');
    return { flag: name, short: undefined, describe, value: kind === 'boolean' ? 'nothing' : value };
  });
}

/** First words of commands, each once, with the second words that may follow. */
function firstWords(): ReadonlyMap<string, string[]> {
  const words = new Map<string, string[]>();
  for (const name of COMMAND_NAMES) {
    const [first = '', second] = name.split(' ');
    if (first === '') continue;
    const known = words.get(first) ?? words.set(first, []).get(first);
    if (second !== undefined) known?.push(second);
    else known?.push(...operandsOf(name));
  }
  return words;
}

function operandsOf(name: CommandName): readonly string[] {
  return name === 'help'
    ? [...new Set(COMMAND_NAMES.filter((one) => one !== ''))]
    : (commandSpec(name).words ?? []);
}

function bashScript(): string {
  const all = new Map(COMMAND_NAMES.flatMap((name) => flagsOf(name).map((one) => [one.flag, one] as const)));
  const paths = [...all.values()].filter(({ value }) => value === 'path');
  const choices = [...all.values()].flatMap((one) =>
    typeof one.value === 'string' ? [] : [{ one, words: one.value.filter((word) => word !== '') }],
  );
  const spell = ({ flag, short }: Completed): string =>
    short === undefined ? `--${flag}` : `--${flag} | -${short}`;
  const words = firstWords();
  const flagWords = (name: CommandName): string =>
    flagsOf(name)
      .map(({ flag }) => `--${flag}`)
      .join(' ');
  return `# bash completion of cridock and of its alias cri-dockerd
_cridock() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]}
  case $before in
    ${paths.map(spell).join(' | ')})
      COMPREPLY=($(compgen -f -- "$word"))
      return
      ;;
${choices
  .map(
    ({ one, words: values }) => `    ${spell(one)})
      COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$word"))
      return
      ;;`,
  )
  .join('\n')}
  esac
  [ "$command" != config ] || command="config \${COMP_WORDS[2]}"
  case $word in
    -*)
      case $command in
${COMMAND_NAMES.filter((name) => name !== '')
  .map((name) => `        '${name}') COMPREPLY=($(compgen -W '${flagWords(name)}' -- "$word")) ;;`)
  .join('\n')}
        *) COMPREPLY=($(compgen -W '${flagWords('')}' -- "$word")) ;;
      esac
      ;;
    *)
      case $COMP_CWORD:\${COMP_WORDS[1]} in
        1:*) COMPREPLY=($(compgen -W '${[...words.keys()].join(' ')}' -- "$word")) ;;
${[...words]
  .filter(([, more]) => more.length > 0)
  .map(([first, more]) => `        2:${first}) COMPREPLY=($(compgen -W '${more.join(' ')}' -- "$word")) ;;`)
  .join('\n')}
        *) COMPREPLY=($(compgen -f -- "$word")) ;;
      esac
      ;;
  esac
}
complete -o filenames -F _cridock ${PROGRAMS.join(' ')}`;
}

function zshScript(): string {
  const quoted = (text: string): string => text.replaceAll("'", "'\\''").replace(/[[\]:]/g, '\\$&');
  const spec = ({ flag, short, describe, value }: Completed): string[] => {
    const argument =
      value === 'nothing'
        ? ''
        : value === 'path'
          ? ':file:_files'
          : value === 'text'
            ? ':value:'
            : `:value:(${value.filter((word) => word !== '').join(' ')})`;
    const equals = value === 'nothing' ? '' : '=';
    const long = `'--${flag}${equals}[${quoted(describe)}]${argument}'`;
    return short === undefined ? [long] : [long, `'-${short}[${quoted(describe)}]${argument}'`];
  };
  const rest = (name: CommandName): string => {
    const words = operandsOf(name).filter((word) => !word.includes(' '));
    return words.length > 0 ? `'2:word:(${words.join(' ')})'` : "'*:file:_files'";
  };
  const branch = (name: CommandName, label: string): string =>
    `    ${label}) _arguments ${[...flagsOf(name).flatMap(spec), rest(name)].join(' \\\n      ')} ;;`;
  const words = firstWords();
  return `#compdef ${PROGRAMS.join(' ')}
# zsh completion of cridock and of its alias cri-dockerd
local command=$words[2]
if (( CURRENT == 2 )) && [[ $words[CURRENT] != -* ]]; then
  local -a commands
  commands=(
${[...words.keys()]
  .map(
    (word) => `    '${word}:${quoted(word === 'config' ? 'Print or import settings' : describeWord(word))}'`,
  )
  .join('\n')}
  )
  _describe command commands
  return
fi
if [[ $command == config ]]; then
  if (( CURRENT == 3 )) && [[ $words[CURRENT] != -* ]]; then
    compadd -- ${words.get('config')?.join(' ') ?? ''}
    return
  fi
  command="config $words[3]"
fi
case $command in
${COMMAND_NAMES.filter((name) => name !== '')
  .map((name) => branch(name, `'${name}'`))
  .join('\n')}
${branch('', '*')}
esac`;
}

function fishScript(): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines: string[] = [];
  const words = firstWords();
  const first = [...words.keys()].join(' ');
  for (const program of PROGRAMS) {
    const add = (...parts: string[]): number => lines.push(`complete -c ${program} ${parts.join(' ')}`);
    const none = `'not __fish_seen_subcommand_from ${first}'`;
    add('-f');
    for (const [word, more] of words) {
      add(
        '-n',
        none,
        '-a',
        word,
        '-d',
        quoted(word === 'config' ? 'Print or import settings' : describeWord(word)),
      );
      if (more.length > 0) {
        const once = `'__fish_seen_subcommand_from ${word}; and not __fish_seen_subcommand_from ${more.join(' ')}'`;
        add(
          '-n',
          word === 'help' ? `'__fish_seen_subcommand_from help'` : once,
          '-a',
          quoted(more.join(' ')),
        );
      }
    }
    add('-n', "'__fish_seen_subcommand_from import'", '-F');
    for (const name of COMMAND_NAMES) {
      const word = name.split(' ').at(-1) ?? '';
      const when = name === '' ? none : `'__fish_seen_subcommand_from ${word}'`;
      for (const { flag, short, describe, value } of flagsOf(name)) {
        const argument =
          value === 'nothing'
            ? []
            : value === 'path'
              ? ['-r', '-F']
              : value === 'text'
                ? ['-x']
                : ['-x', '-a', quoted(value.filter((one) => one !== '').join(' '))];
        add(
          '-n',
          when,
          '-l',
          flag,
          ...(short === undefined ? [] : ['-s', short]),
          '-d',
          quoted(describe),
          ...argument,
        );
      }
    }
  }
  return ['# fish completion of cridock and of its alias cri-dockerd', ...lines].join('\n');
}

function describeWord(word: string): string {
  const name = COMMAND_NAMES.find((one) => one === word);
  return name === undefined ? '' : commandSpec(name).describe;
}
