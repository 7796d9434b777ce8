import yargs from 'yargs';
import type { Argv } from 'yargs';
import { OPTIONS, OPTION_NAMES } from './options.js';
import type { GivenOption, GivenOptions, OptionName } from './options.js';

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'build-info' }
  | {
      readonly kind: 'serve';
      readonly given: GivenOptions;
      readonly configFile: string | undefined;
    };

/** The command line cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reads the arguments after the program's name, which `--help` shows. Throws a UsageError. */
export async function parseCommandLine(argv: readonly string[], program: string): Promise<Command> {
  const parser = describe(program);
  // Asked for first: help and version must not depend on the rest of the line.
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help', text: await parser.getHelp() };
  let failure: string | undefined;
  const parsed: Record<string, unknown> & { _: (string | number)[] } = await parser
    .fail((message: string | null, error: Error | undefined) => {
      failure ??= message ?? error?.message ?? 'cannot be understood';
    })
    .parse([...argv]);
  if (failure !== undefined) throw new UsageError(`${failure} (see ${program} --help)`);
  const command = parsed._.join(' ');
  if (command === 'version') return { kind: 'version' };
  if (command !== '') throw new UsageError(`unknown command: ${command} (see ${program} --help)`);
  if (parsed['version'] === true) return { kind: 'version' };
  if (parsed['buildinfo'] === true) return { kind: 'build-info' };
  return { kind: 'serve', given: givenOptions(parsed), configFile: textsOf(parsed['config']).at(-1) };
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
    .usage(
      'Usage: $0 [flags]\n       $0 version\n\nServes the Kubernetes Container Runtime Interface (CRI v1) with Docker Engine.',
    )
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
      describe: 'JSON file with settings; keys are the flags in camelCase, flags win over it',
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
  return parser;
}

function givenOptions(parsed: Readonly<Record<string, unknown>>): GivenOptions {
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
