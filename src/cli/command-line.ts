import yargs from 'yargs';
import type { Argv } from 'yargs';
import { COMMAND_FLAGS, COMMON_FLAGS, isCommandName, type CommandName } from './commands.js';
import { SHELLS, type Shell } from './completion.js';
import { helpOf } from './help.js';
import { OPTIONS, OPTION_NAMES } from './options.js';
import type { GivenOption, GivenOptions, OptionName } from './options.js';

/** The settings that the command line gives. */
export interface GivenSettings {
  readonly flags: GivenOptions;
  /** What --config names. */
  readonly configFile: string | undefined;
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'build-info' }
  | { readonly kind: 'completion'; readonly shell: Shell }
  | { readonly kind: 'serve'; readonly settings: GivenSettings }
  | {
      readonly kind: 'config-print';
      readonly settings: GivenSettings;
      /** Whether the unit of this node is looked at too. */
      readonly ofService: boolean;
    }
  | { readonly kind: 'config-import'; readonly unitFile: string }
  | {
      readonly kind: 'status';
      readonly settings: GivenSettings;
      readonly json: boolean;
      readonly watch: boolean;
    }
  | {
      readonly kind: 'sysdump';
      readonly settings: GivenSettings;
      /** Undefined for a name of its own in the working directory, `-` for standard output. */
      readonly output: string | undefined;
    }
  | {
      readonly kind: 'doctor';
      readonly settings: GivenSettings;
      readonly json: boolean;
      /** Path of the kubelet's configuration, to hold the Engine's against. */
      readonly kubeletConfig: string | undefined;
    }
  | {
      readonly kind: 'migrate';
      readonly settings: GivenSettings;
      readonly json: boolean;
      /** Whether the node goes from cri-dockerd to cridock, or back. */
      readonly direction: 'from' | 'to';
      readonly dryRun: boolean;
    };

/** The command line cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Parsed = Readonly<Record<string, unknown>> & { readonly _: readonly (string | number)[] };

/** Reads the arguments after the program's name, which `--help` shows. Throws a UsageError. */
export async function parseCommandLine(argv: readonly string[], program: string): Promise<Command> {
  const fail = (problem: string): never => {
    throw new UsageError(`${problem} (see ${program} --help)`);
  };
  const parser = describe(program);
  let failure: string | undefined;
  const parsed: Parsed = await parser
    .fail((message: string | null, error: Error | undefined) => {
      failure ??= message ?? error?.message ?? 'cannot be understood';
    })
    .parse([...argv]);
  const words = parsed._.map(String);
  // Asked for first: help and version must not depend on the rest of the line.
  if (argv.includes('--help') || argv.includes('-h')) return help(program, words, () => undefined);
  if (failure !== undefined) return fail(failure);
  if (words[0] === 'help') return help(program, words.slice(1), fail);
  const { name, operands } = splitCommand(words);
  if (name === 'config') return help(program, words, fail);
  if (!isCommandName(name)) return fail(`unknown command: ${words.join(' ')}`);
  if (name === 'help' || name === 'version' || parsed['version'] === true) {
    return operands.length > 0 ? fail(`unknown command: ${words.join(' ')}`) : { kind: 'version' };
  }
  if (parsed['buildinfo'] === true) return { kind: 'build-info' };
  for (const [flag, { commands }] of Object.entries(COMMAND_FLAGS)) {
    if (parsed[flag] !== undefined && !commands.includes(name))
      fail(`--${flag} is for ${commands.join(' and ')}`);
  }
  return commandOf(name, operands, parsed, fail);
}

/** Of a command that is not known, all that is. */
function help(program: string, words: readonly string[], fail: (problem: string) => void): Command {
  const { name } = splitCommand(words);
  if (name !== 'config' && !isCommandName(name)) fail(`unknown command: ${words.join(' ')}`);
  return { kind: 'help', text: helpOf(program, name) };
}

/** The name has one word, or two of which the first is `config`; the others are operands. */
function splitCommand(words: readonly string[]): { name: string; operands: readonly string[] } {
  const length = words[0] === 'config' ? 2 : 1;
  return { name: words.slice(0, length).join(' '), operands: words.slice(length) };
}

function commandOf(
  name: Exclude<CommandName, 'version' | 'help'>,
  operands: readonly string[],
  parsed: Parsed,
  fail: (problem: string) => never,
): Command {
  const [operand, ...more] = operands;
  const takesOne = name === 'completion' || name === 'config import';
  if (more.length > 0 || (operand !== undefined && !takesOne)) {
    return fail(`unknown command: ${[name, ...operands].join(' ')}`);
  }
  const settings = { flags: givenOptions(parsed), configFile: textsOf(parsed['config']).at(-1) };
  const json = parsed['json'] === true;
  switch (name) {
    case '':
      return { kind: 'serve', settings };
    case 'config print':
      return { kind: 'config-print', settings, ofService: parsed['service'] === true };
    case 'config import':
      if (operand === undefined) return fail('config import needs the path of a unit file');
      return { kind: 'config-import', unitFile: operand };
    case 'completion': {
      const shell = SHELLS.find((one) => one === (operand ?? 'bash'));
      if (shell === undefined) return fail(`completion is for ${SHELLS.join(', ')}, not for ${operand}`);
      return { kind: 'completion', shell };
    }
    case 'doctor':
      return { kind: 'doctor', settings, json, kubeletConfig: textsOf(parsed['kubelet-config']).at(-1) };
    case 'status': {
      const watch = parsed['watch'] === true;
      if (watch && json) return fail('status takes --json or --watch');
      return { kind: 'status', settings, json, watch };
    }
    case 'sysdump':
      return { kind: 'sysdump', settings, output: textsOf(parsed['output']).at(-1) };
    case 'migrate': {
      const { from, to } = parsed;
      if ((from ?? to) !== 'cri-dockerd' || (from !== undefined && to !== undefined)) {
        return fail('migrate needs --from cri-dockerd or --to cri-dockerd');
      }
      const direction = from === undefined ? 'to' : 'from';
      return { kind: 'migrate', settings, json, direction, dryRun: parsed['dry-run'] === true };
    }
  }
}

/**
 * All values are read as text, so that booleans take the forms of Go's flags (`--ipv6-dual-stack=True`), and a
 * flag that is repeated counts with its last value.
 */
function describe(program: string): Argv {
  const parser = yargs([])
    .help(false)
    .version(false)
    .locale('en')
    .scriptName(program)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .strictOptions()
    .exitProcess(false);
  for (const [flag, { value }] of Object.entries(COMMON_FLAGS)) {
    parser.option(flag, value === undefined ? { boolean: true } : { string: true, requiresArg: true });
  }
  parser.alias('help', 'h');
  for (const name of OPTION_NAMES) {
    parser.option(name, {
      string: true,
      ...(OPTIONS[name].kind === 'boolean' ? {} : { requiresArg: true }),
    });
  }
  for (const [flag, { takes, short }] of Object.entries(COMMAND_FLAGS)) {
    parser.option(flag, {
      ...(takes === 'nothing' ? { boolean: true } : { string: true, requiresArg: true }),
      ...(short === undefined ? {} : { alias: short }),
    });
  }
  return parser;
}

function givenOptions(parsed: Parsed): GivenOptions {
  const given = new Map<OptionName, GivenOption>();
  for (const name of OPTION_NAMES) {
    const { kind } = OPTIONS[name];
    const texts = textsOf(parsed[name]);
    const last = texts.at(-1);
    if (last === undefined) continue;
    // A boolean flag may stand alone.
    const single = kind === 'boolean' && last === '' ? 'true' : last;
    given.set(name, { values: kind === 'list' ? texts : [single], source: `--${name}` });
  }
  return given;
}

/** A flag's values in the order given: yargs has nothing, a text, or an array for a flag that is repeated. */
function textsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.filter((item): item is string => typeof item === 'string');
  return typeof value === 'string' ? [value] : [];
}
