import yargs from 'yargs';
import type { Argv } from 'yargs';
import { COMMANDS, COMMAND_FLAGS, isCommandName, type CommandName } from './commands.js';
import { OPTIONS, OPTION_NAMES } from './options.js';
import type { GivenOption, GivenOptions, OptionName } from './options.js';

/** The settings that the command line gives. */
export interface GivenSettings {
  readonly flags: GivenOptions;
  readonly configFile: string | undefined;
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'build-info' }
  | { readonly kind: 'completion' }
  | { readonly kind: 'serve'; readonly settings: GivenSettings }
  | { readonly kind: 'config-print'; readonly settings: GivenSettings }
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
  const parser = describe(program);
  // Asked for first: help and version must not depend on the rest of the line.
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help', text: await parser.getHelp() };
  const fail = (problem: string): never => {
    throw new UsageError(`${problem} (see ${program} --help)`);
  };
  let failure: string | undefined;
  const parsed: Parsed = await parser
    .fail((message: string | null, error: Error | undefined) => {
      failure ??= message ?? error?.message ?? 'cannot be understood';
    })
    .parse([...argv]);
  if (failure !== undefined) return fail(failure);
  const name = parsed._.join(' ');
  if (!isCommandName(name)) return fail(`unknown command: ${name}`);
  if (name === 'version' || parsed['version'] === true) return { kind: 'version' };
  if (parsed['buildinfo'] === true) return { kind: 'build-info' };
  for (const [flag, { commands }] of Object.entries(COMMAND_FLAGS)) {
    if (parsed[flag] !== undefined && !commands.includes(name))
      fail(`--${flag} is for ${commands.join(' and ')}`);
  }
  return commandOf(name, parsed, fail);
}

function commandOf(
  name: Exclude<CommandName, 'version'>,
  parsed: Parsed,
  fail: (problem: string) => never,
): Command {
  const settings = { flags: givenOptions(parsed), configFile: textsOf(parsed['config']).at(-1) };
  const json = parsed['json'] === true;
  switch (name) {
    case '':
      return { kind: 'serve', settings };
    case 'config print':
      return { kind: 'config-print', settings };
    case 'completion':
      return { kind: 'completion' };
    case 'doctor':
      return { kind: 'doctor', settings, json, kubeletConfig: textsOf(parsed['kubelet-config']).at(-1) };
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
    .usage(usageText())
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .option('config', {
      string: true,
      requiresArg: true,
      describe:
        'YAML file with settings: keys are the flags in camelCase; the environment and flags win over it',
    })
    .option('buildinfo', { boolean: true, describe: 'Print what this build is made of' })
    .option('version', { boolean: true, describe: 'Print the version' })
    .option('help', { alias: 'h', boolean: true, describe: 'Print this help' })
    .strictOptions()
    .exitProcess(false)
    .wrap(110)
    .example('$0', 'Serve on /var/run/cri-dockerd.sock with CNI networks')
    .example('$0 --container-runtime-endpoint fd://', 'Serve on the socket of a systemd .socket unit')
    .example("$0 --network-plugin '' --log-level debug", "Put pods on Docker's bridge, log every call");
  for (const name of OPTION_NAMES) {
    const { kind, default: preset, group, describe: text } = OPTIONS[name];
    parser.option(name, {
      string: true,
      group: `${group}:`,
      describe: text,
      defaultDescription: preset === '' ? "''" : preset,
      ...(kind === 'boolean' ? {} : { requiresArg: true }),
    });
  }
  for (const [flag, { takes, describe: text, commands }] of Object.entries(COMMAND_FLAGS)) {
    parser.option(flag, {
      ...(takes === 'nothing' ? { boolean: true } : { string: true, requiresArg: true }),
      group: `Only for ${commands.join(' and ')}:`,
      describe: text,
    });
  }
  return parser;
}

function usageText(): string {
  const lines = Object.entries(COMMANDS).map(([name, text]) => `  $0 ${name || '[flags]'}`.padEnd(22) + text);
  return ['Usage: $0 [command] [flags]', '', ...lines].join('\n');
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
