import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS, COMMAND_FLAGS, COMMAND_NAMES, COMMON_FLAGS, commandSpec } from '../../src/cli/commands.js';
import type { CommandName, CommandSpec } from '../../src/cli/commands.js';
import { OPTIONS, OPTION_NAMES, camelCase, variableName } from '../../src/cli/options.js';

/*
 * Usage: node man-page.js [COMMAND]
 * Prints the manual page cridock(8), or that of a command such as cridock-doctor(8) or cridock-config-print(8), from the same
 * tables as --help. With --list as the command: the names of the pages that there are besides cridock.
 */

// Compiled, this file is <root>/<outDir>/deploy/package/man-page.js.
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8')) as {
  version: string;
};

/** Commands that need no more than their line in cridock(8). */
const WITHOUT_PAGE: readonly CommandName[] = ['', 'help', 'version'];
const COMMANDS_WITH_PAGE = COMMAND_NAMES.filter((name) => !WITHOUT_PAGE.includes(name));

/** Text for roff, in which backslashes, and dots and quotes at the beginning of a line, have a meaning. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=['.])/gm, '\\&');
}

function item(term: string, text: string): string {
  return `.TP\n${term}\n${roff(text)}.`;
}

function flagTerm(name: string, argument: string, short?: string): string {
  const long = `\\-\\-${roff(name)}${argument === '' ? '' : `=\\fI${argument}\\fR`}`;
  return `.B ${short === undefined ? '' : `\\-${short}, `}${long}`;
}

function pageName(name: CommandName): string {
  return `cridock-${name.replace(' ', '-')}`;
}

function examples({ examples: lines }: CommandSpec): string[] {
  if (lines.length === 0) return [];
  const one = ([line, what]: readonly [string, string]): string =>
    `.TP\n.B ${roff(`cridock ${line}`.trim())}\n${roff(what)}.`;
  return ['.SH EXAMPLES', ...lines.map(one)];
}

function commandPage(name: CommandName): string[] {
  const spec = commandSpec(name);
  const { describe, operands, details, takesSettings } = spec;
  const own = Object.entries(COMMAND_FLAGS).filter(([, { commands }]) => commands.includes(name));
  return [
    `.TH ${pageName(name).toUpperCase()} 8 "" "cridock ${version}" "System administration"`,
    '.SH NAME',
    `${roff(pageName(name))} \\- ${roff(describe)}`,
    '.SH SYNOPSIS',
    `.B cridock ${roff(name)}\n${[operands === '' ? '' : roff(operands), '[\\fIFLAGS\\fR]'].join(' ').trim()}`,
    '.SH DESCRIPTION',
    `${roff(describe)}.`,
    ...details.flatMap((paragraph) => ['.PP', roff(paragraph)]),
    ...(own.length === 0 ? [] : ['.SH FLAGS']),
    ...own.map(([flag, { takes, short, describe: text }]) =>
      item(flagTerm(flag, takes === 'text' ? 'VALUE' : '', short), text),
    ),
    ...(takesSettings
      ? ['.PP', roff('All settings of the service can be given too; cridock(8) lists them.')]
      : []),
    ...examples(spec),
    '.SH SEE ALSO',
    'cridock(8)',
  ];
}

function mainPage(): string[] {
  const groups = new Map<string, string[]>();
  for (const name of OPTION_NAMES) {
    const { kind, group, default: preset, describe } = OPTIONS[name];
    const text = `${describe}. Default: ${preset === '' ? "''" : preset}. In the config file: ${camelCase(name)}; in the environment: ${variableName(name)}`;
    const argument = kind === 'boolean' ? '' : 'VALUE';
    groups.set(group, [...(groups.get(group) ?? []), item(flagTerm(name, argument), text)]);
  }
  return [
    `.TH CRIDOCK 8 "" "cridock ${version}" "System administration"`,
    '.SH NAME',
    'cridock, cri\\-dockerd \\- CRI server for Kubernetes nodes that run Docker Engine',
    '.SH SYNOPSIS',
    '.B cridock\n[\\fICOMMAND\\fR] [\\fIFLAGS\\fR]',
    '.SH DESCRIPTION',
    roff(
      'The kubelet speaks the Container Runtime Interface (CRI v1) to cridock, which runs the pods with Docker Engine and CNI plugins. It takes the place of cri-dockerd: same socket, flags, container names, labels and checkpoints.',
    ),
    '.SH COMMANDS',
    item('(none)', COMMANDS[''].describe),
    ...COMMAND_NAMES.filter((name) => name !== '').map((name) =>
      item(`.B ${roff(name)}`, commandSpec(name).describe),
    ),
    '.SH FLAGS OF ALL COMMANDS',
    ...Object.entries(COMMON_FLAGS).map(([name, { value, describe }]) =>
      item(flagTerm(name, value === undefined ? '' : 'VALUE'), describe),
    ),
    '.SH SETTINGS',
    roff(
      'Flags win over variables of the environment, and these over the config files, of which the later ones win.',
    ),
    ...[...groups].flatMap(([group, items]) => [`.SS ${group}`, ...items]),
    '.SH SIGNALS',
    item('SIGHUP', 'Reads the settings anew, applies what can change, and says so in the log'),
    item('SIGTERM', 'Ends calls in flight, then stops; pods run on'),
    '.SH EXIT STATUS',
    roff(
      '0: all went well (doctor: no failures; status: pods can be run). 1: something failed. 2: the command line or the settings cannot be used.',
    ),
    '.SH FILES',
    item('/etc/cridock/config.yaml', 'Settings'),
    item('/etc/cridock/conf.d/*.yaml', 'Settings that win over these, by the order of their names'),
    item('/var/lib/cri-dockerd', 'What must survive a restart, such as checkpoints of sandboxes'),
    item('/run/cri-dockerd.sock', 'The socket for the kubelet'),
    ...examples(commandSpec('')),
    '.SH SEE ALSO',
    [
      ...COMMANDS_WITH_PAGE.map((name) => roff(`${pageName(name)}(8)`)),
      'dockerd(8), crictl(1), systemctl(1)',
    ].join(', '),
  ];
}

const [wanted = ''] = process.argv.slice(2);
const page = wanted === 'cridock' ? '' : wanted;
const command = COMMAND_NAMES.find((name) => name === page || pageName(name) === page);
if (wanted === '--list') console.log(COMMANDS_WITH_PAGE.map(pageName).join('\n'));
else if (command === undefined) throw new Error(`no command ${wanted}`);
else console.log((command === '' ? mainPage() : commandPage(command)).join('\n'));
