import type { ExecStart } from '../unit/exec-start.js';

/** Sorts after what minikube and operators put beside it, so that it has the last word. */
export const DROP_IN_NAME = 'zz-cridock.conf';

/**
 * A drop-in that lets cridock serve with the unit's own flags, to the letter; `program` are the words that start cridock.
 * What else it says are the settings of cridock's own unit that make a difference to a unit of cri-dockerd's.
 */
export function dropInFor({ prefix, flags }: ExecStart, program: readonly string[]): string {
  return `# Written by cridock migrate, which takes it away with --to cri-dockerd.
[Unit]
# However often it has to be started, it is started again.
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=${prefix}${program.join(' ')}${flags}
# systemd-notify speaks for cridock.
NotifyAccess=all
KillMode=mixed
# Wrong settings stay wrong: to start again would not help.
RestartPreventExitStatus=2
# Without it no pod starts or stops on the node: of all processes it goes last, as the kubelet.
OOMScoreAdjust=-999
# The memory may hold registries' credentials.
LimitCORE=0
`;
}
