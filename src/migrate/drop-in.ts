import type { ExecStart } from '../unit/exec-start.js';

/** Sorts after what minikube and operators put beside it, so that it has the last word. */
export const DROP_IN_NAME = 'zz-cridock.conf';

/**
 * A drop-in that lets cridock serve with the unit's own flags, to the letter; `program` are the words that start cridock.
 * What else it says are the settings of cridock's own unit that make a difference to a unit of cri-dockerd's.
 */
export function dropInFor({ prefix, flags }: ExecStart, program: readonly string[]): string {
  return `# Written by cridock migrate, which takes it away with --to cri-dockerd.
[Service]
ExecStart=
ExecStart=${prefix}${program.join(' ')}${flags}
# systemd-notify speaks for cridock.
NotifyAccess=all
KillMode=mixed
# Wrong settings stay wrong: to start again would not help.
RestartPreventExitStatus=2
`;
}
