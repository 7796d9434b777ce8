/** What can be asked for. Help, completion and manual pages are made from this table. */
export interface CommandSpec {
  /** What it does, in one sentence without its full stop. */
  readonly describe: string;
  /** What follows the name, such as `[bash|zsh|fish]`; '' for nothing but flags. */
  readonly operands: string;
  /** The words that may stand there; undefined where they are not known beforehand, as for a file. */
  readonly words?: readonly string[];
  /** More than a sentence: paragraphs for its own help and its manual page. */
  readonly details: readonly string[];
  /** Command lines without the program's name, and what each does. */
  readonly examples: readonly (readonly [string, string])[];
  /** True for commands that read the settings, and take them as flags. */
  readonly takesSettings: boolean;
}

/** By name; the service itself has none. */
export const COMMANDS = {
  '': {
    describe: 'Serve the Kubernetes Container Runtime Interface (CRI v1) with Docker Engine',
    operands: '',
    details: [],
    examples: [
      ['', 'Serve on /var/run/cri-dockerd.sock with CNI networks'],
      ['--container-runtime-endpoint fd://', 'Serve on the socket of a systemd .socket unit'],
      ["--network-plugin '' --log-level debug", "Put pods on Docker's bridge, log every call"],
    ],
    takesSettings: true,
  },
  'config print': {
    describe: 'Print all settings as a config file, with their sources',
    operands: '',
    details: [
      "What counts for this command line: flags, the environment's variables, and the config files. With --service it is what counts for the unit of this node.",
    ],
    examples: [
      ['config print', 'All settings, each with the place that it comes from'],
      ['config print --service', 'The same for the service of this node, with the flags of its unit'],
    ],
    takesSettings: true,
  },
  'config import': {
    describe: 'Print the flags of a systemd unit as a config file',
    operands: 'UNIT-FILE',
    details: [
      'Reads the last ExecStart of the file, which may be that of cri-dockerd, and prints its flags as settings. Those that cridock does not know are named in comments. The endpoint is left out: it belongs to the unit.',
    ],
    examples: [
      [
        'config import /etc/systemd/system/cri-docker.service >/etc/cridock/conf.d/50-unit.yaml',
        'Keep the flags of a unit that will be replaced',
      ],
    ],
    takesSettings: false,
  },
  doctor: {
    describe: 'Check this node, with a remedy for each finding',
    operands: '',
    details: [
      "Looks at the service, the Engine, the kubelet's configuration, networks, kernel and clock, and changes nothing. Each remedy can be run as it is printed. The exit status is 1 when there is a failure.",
    ],
    examples: [
      ['doctor', 'What this node lacks'],
      ['doctor --json', 'The same for scripts'],
      ['doctor --kubelet-config /etc/kubelet.yaml', 'With a kubelet that is configured elsewhere'],
    ],
    takesSettings: true,
  },
  status: {
    describe: 'Show how the service of this node fares',
    operands: '',
    details: [
      'Asks the service over its socket, and its metrics where they are served. The exit status is 0 when pods can be run, else 1.',
    ],
    examples: [
      ['status', 'One screen'],
      ['status --watch', 'The same, again every two seconds'],
      ['status --json', 'For scripts'],
    ],
    takesSettings: true,
  },
  sysdump: {
    describe: 'Write all that a report of a problem needs into one archive',
    operands: '',
    details: [
      'Findings, settings with their sources, status, metrics, journal, units, CNI configurations, and what the Engine says of itself and of containers in trouble. Secrets and the values of environment variables are taken out; read it before you send it all the same.',
    ],
    examples: [
      ['sysdump', 'Write cridock-sysdump-HOST-TIME.tar.gz here'],
      ['sysdump -o /tmp/node.tar.gz', 'Write this file'],
    ],
    takesSettings: true,
  },
  migrate: {
    describe: 'Hand the pods of this node over from cri-dockerd, or back to it',
    operands: '',
    details: [
      'The unit that serves the node is told by a drop-in to start the other program, with the same flags. No pod is touched. What was interrupted can be run again.',
    ],
    examples: [
      ['migrate --from cri-dockerd --dry-run', 'What would be done, and what will not go on as it was'],
      ['migrate --from cri-dockerd', 'Let cridock serve'],
      ['migrate --to cri-dockerd', 'Let cri-dockerd serve again'],
    ],
    takesSettings: true,
  },
  completion: {
    describe: 'Print the completion of commands and flags for a shell',
    operands: '[bash|zsh|fish]',
    words: ['bash', 'zsh', 'fish'],
    details: [],
    examples: [
      ['completion bash >/etc/bash_completion.d/cridock', 'For all users of bash'],
      ['completion fish >~/.config/fish/completions/cridock.fish', 'For one user of fish'],
    ],
    takesSettings: false,
  },
  help: {
    describe: 'Show what a command does, with examples',
    operands: '[COMMAND]',
    details: [],
    examples: [['help doctor', 'The same as: cridock doctor --help']],
    takesSettings: false,
  },
  version: { describe: 'Print the version', operands: '', details: [], examples: [], takesSettings: false },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;

export const COMMAND_NAMES: readonly CommandName[] = Object.keys(COMMANDS).filter(isCommandName);

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

export function commandSpec(name: CommandName): CommandSpec {
  return COMMANDS[name];
}

export interface CommandFlag {
  readonly commands: readonly CommandName[];
  readonly takes: 'nothing' | 'text';
  /** What its value is, for completion: the path of a file, or these words. */
  readonly value?: 'path' | readonly string[];
  /** A single letter that may be written instead. */
  readonly short?: string;
  readonly describe: string;
}

/** Flags that are no settings. */
export const COMMAND_FLAGS: Readonly<Record<string, CommandFlag>> = {
  json: { commands: ['doctor', 'status', 'migrate'], takes: 'nothing', describe: 'Print JSON' },
  service: {
    commands: ['config print'],
    takes: 'nothing',
    describe: "Add the flags and the environment of this node's unit",
  },
  'kubelet-config': {
    commands: ['doctor'],
    takes: 'text',
    value: 'path',
    describe: "The kubelet's config file, where it is not /var/lib/kubelet/config.yaml",
  },
  watch: {
    commands: ['status'],
    takes: 'nothing',
    describe: 'Show it again every two seconds, until Ctrl-C',
  },
  output: {
    commands: ['sysdump'],
    takes: 'text',
    value: 'path',
    short: 'o',
    describe: 'The archive to write; - for standard output',
  },
  from: {
    commands: ['migrate'],
    takes: 'text',
    value: ['cri-dockerd'],
    describe: 'cri-dockerd: cridock takes its pods over',
  },
  to: {
    commands: ['migrate'],
    takes: 'text',
    value: ['cri-dockerd'],
    describe: 'cri-dockerd: it takes the pods over again',
  },
  'dry-run': { commands: ['migrate'], takes: 'nothing', describe: 'Only say what would be done' },
};

/** Flags that are no settings either, of the service and of all commands. */
export const COMMON_FLAGS: Readonly<Record<string, { readonly describe: string; readonly value?: 'path' }>> =
  {
    config: {
      value: 'path',
      describe:
        'YAML file with settings instead of /etc/cridock/config.yaml and /etc/cridock/conf.d: keys are the flags in camelCase; the environment and flags win over it',
    },
    version: { describe: 'Print the version' },
    buildinfo: { describe: 'Print what this build is made of' },
    help: { describe: 'Print this help' },
  };
