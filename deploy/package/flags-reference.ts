import { COMMAND_FLAGS } from '../../src/cli/commands.js';
import { OPTIONS, OPTION_NAMES, camelCase, variableName, type Option } from '../../src/cli/options.js';

/*
 * Usage: node flags-reference.js
 * Prints docs/flags.md, from the same tables as --help.
 */

const groups = new Map<string, string[]>();
for (const name of OPTION_NAMES) {
  const { group, default: preset, describe }: Option = OPTIONS[name];
  const lines = groups.get(group) ?? groups.set(group, []).get(group);
  const value = preset === '' ? 'none' : `\`${preset}\``;
  lines?.push(
    `- **\`--${name}\`**, \`${camelCase(name)}\`, \`${variableName(name)}\`  \n  ${describe}. Default: ${value}.`,
  );
}

const lines = [
  '# Settings',
  '',
  'Each setting is a flag, a key of the config files, and a variable of the environment. Flags win over variables, and these',
  'over the files: `/etc/cridock/config.yaml`, then those of `/etc/cridock/conf.d` (`*.yaml`) by name, the later ones winning;',
  'or the one file that `--config` names. `cridock config print` shows what results, and where it comes from. Lists have commas',
  'between their items in variables. A file is YAML, and must say what it is; unknown and repeated keys are refused:',
  '',
  '```yaml',
  'apiVersion: config.cridock.io/v1',
  'kind: CridockConfiguration',
  'logLevel: debug',
  'cniBinDir: [/opt/cni/bin, /usr/lib/cni]',
  '```',
  '',
  'SIGHUP reads all again and applies the log level, the pod CIDR, pinned images, the deadline of pulls, and how logs of new',
  'containers are kept; the log says what changed, and what waits for a restart.',
  '',
  'This page is made by `deploy/package/flags-reference.ts`.',
  ...[...groups].flatMap(([group, items]) => ['', `## ${group}`, '', ...items]),
  '',
  '## Flags of commands',
  '',
  ...Object.entries(COMMAND_FLAGS).map(
    ([name, { commands, describe }]) => `- **\`--${name}\`** (${commands.join(', ')})  \n  ${describe}.`,
  ),
];
console.log(lines.join('\n'));
