/** Sorts after what minikube and operators put beside it, so that it has the last word. */
export const DROP_IN_NAME = 'zz-cridock.conf';

/** What may precede the path of an ExecStart: systemd.service(5), special executable prefixes. */
const COMMAND_LINE = /^([-@:+!|]*)(\S+)(.*)$/s;

/**
 * A drop-in that lets cridock serve with the unit's own flags, to the letter. `unitText` is what `systemctl cat` prints:
 * the unit and its drop-ins in their order; `program` are the words that start cridock. Undefined when the unit
 * starts nothing, or cridock already.
 */
export function dropInFor(unitText: string, program: readonly string[]): string | undefined {
  const [, prefix = '', path, flags = ''] = COMMAND_LINE.exec(execStartOf(unitText)) ?? [];
  if (path === undefined || path === program[0]) return undefined;
  return `# Written by cridock migrate, which takes it away with --to cri-dockerd.
[Service]
ExecStart=
ExecStart=${prefix}${program.join(' ')}${flags}
# systemd-notify speaks for cridock.
NotifyAccess=all
`;
}

/** The last word on ExecStart; an empty one takes back what stood before it. */
function execStartOf(unitText: string): string {
  const lines = unitText.replaceAll(/\s*\\\n\s*/g, ' ').split('\n');
  const values = lines.map((line) => /^\s*ExecStart\s*=\s*(.*?)\s*$/.exec(line)?.[1]);
  return values.filter((value) => value !== undefined).at(-1) ?? '';
}
