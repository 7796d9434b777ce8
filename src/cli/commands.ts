/** What can be asked for, and what it does; the service itself has no name. */
export const COMMANDS = {
  '': 'Serve the Kubernetes Container Runtime Interface (CRI v1) with Docker Engine',
  'config print': 'Print all settings as a config file, with their sources',
  doctor: 'Check this node, with a remedy for each finding',
  migrate: 'Hand the pods of this node over from cri-dockerd, or back to it',
  completion: 'Print the completion of commands and flags for bash',
  version: 'Print the version',
} as const;

export type CommandName = keyof typeof COMMANDS;

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

export interface CommandFlag {
  readonly commands: readonly string[];
  readonly takes: 'nothing' | 'text';
  readonly describe: string;
}

/** Flags that are no settings. */
export const COMMAND_FLAGS: Readonly<Record<string, CommandFlag>> = {
  json: { commands: ['doctor', 'migrate'], takes: 'nothing', describe: 'Print JSON' },
  'kubelet-config': {
    commands: ['doctor'],
    takes: 'text',
    describe: "The kubelet's config file, such as /var/lib/kubelet/config.yaml, to hold the node against",
  },
  from: { commands: ['migrate'], takes: 'text', describe: 'cri-dockerd: cridock takes its pods over' },
  to: { commands: ['migrate'], takes: 'text', describe: 'cri-dockerd: it takes the pods over again' },
  'dry-run': { commands: ['migrate'], takes: 'nothing', describe: 'Only say what would be done' },
};
