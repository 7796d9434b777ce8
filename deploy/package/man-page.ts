import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS, COMMAND_FLAGS } from '../../src/cli/commands.js';
import { OPTIONS, OPTION_NAMES, camelCase, variableName } from '../../src/cli/options.js';

/*
 * Usage: node man-page.js
 * Prints the manual page cridock(8), from the same tables as --help.
 */

// Compiled, this file is <root>/<outDir>/deploy/package/man-page.js.
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8')) as {
  version: string;
};

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

function flagTerm(name: string, argument: string): string {
  return `.B \\-\\-${roff(name)}${argument === '' ? '' : `=\\fI${argument}\\fR`}`;
}

const groups = new Map<string, string[]>();
for (const name of OPTION_NAMES) {
  const { kind, group, default: preset, describe } = OPTIONS[name];
  const text = `${describe}. Default: ${preset === '' ? "''" : preset}. In the config file: ${camelCase(name)}; in the environment: ${variableName(name)}`;
  const argument = kind === 'boolean' ? '' : 'VALUE';
  groups.set(group, [...(groups.get(group) ?? []), item(flagTerm(name, argument), text)]);
}

console.log(
  [
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
    item('(none)', COMMANDS['']),
    ...Object.entries(COMMANDS)
      .filter(([name]) => name !== '')
      .map(([name, text]) => item(`.B ${roff(name)}`, text)),
    '.SH FLAGS OF COMMANDS',
    ...Object.entries(COMMAND_FLAGS).map(([name, { commands, takes, describe }]) =>
      item(flagTerm(name, takes === 'text' ? 'VALUE' : ''), `${describe} (${commands.join(', ')})`),
    ),
    '.SH SETTINGS',
    roff('Flags win over variables of the environment, and these over the file that --config names.'),
    ...[...groups].flatMap(([group, items]) => [`.SS ${group}`, ...items]),
    '.SH SIGNALS',
    item('SIGHUP', 'Reads the settings anew, applies what can change, and says so in the log'),
    item('SIGTERM', 'Ends calls in flight, then stops; pods run on'),
    '.SH EXIT STATUS',
    roff(
      '0: all went well (doctor: no failures). 1: something failed. 2: the command line or the settings cannot be used.',
    ),
    '.SH FILES',
    item('/etc/cridock/config.yaml', 'Settings, as cri-docker.service reads them'),
    item('/var/lib/cri-dockerd', 'What must survive a restart, such as checkpoints of sandboxes'),
    item('/run/cri-dockerd.sock', 'The socket for the kubelet'),
    '.SH SEE ALSO',
    'dockerd(8), crictl(1), systemctl(1)',
  ].join('\n'),
);
