import type {
  ContainerInspect,
  ContainerInspectState,
  ContainerListEntry,
  ContainerStatusWord,
} from '../../docker/types.js';

const NEVER = '0001-01-01T00:00:00Z';
/** What containerd gives a container whose end it did not see. */
const UNKNOWN_EXIT_CODE = 255;

/**
 * What an inspect would tell of an object that cannot be inspected, as far as the Engine's list and the last inspect go: all
 * that it was, in the state that the list has it in.
 */
export function listedInspect(
  entry: ContainerListEntry,
  last: ContainerInspect | undefined,
): ContainerInspect {
  if (last?.State.Status === entry.State) return last;
  const base = last ?? fromList(entry);
  return { ...base, State: listedState(entry, base) };
}

function fromList(entry: ContainerListEntry): ContainerInspect {
  return {
    Id: entry.Id,
    Name: ownName(entry),
    Created: new Date(entry.Created * 1_000).toISOString(),
    State: { ...NOTHING_YET, Status: 'created' },
    Image: entry.ImageID ?? '',
    Config: { Image: entry.Image ?? '', Labels: entry.Labels },
    // No list tells the IPC mode: that of sandboxes without the host's is taken for granted.
    HostConfig: { NetworkMode: entry.HostConfig?.NetworkMode ?? '', IpcMode: 'shareable' },
    Mounts: entry.Mounts,
    NetworkSettings: { Networks: entry.NetworkSettings?.Networks },
  };
}

/** Links of other containers are among the names; they have a second slash. */
function ownName({ Names: names }: ContainerListEntry): string {
  return names.find((name) => name.lastIndexOf('/') === 0) ?? names[0] ?? '';
}

const NOTHING_YET = {
  Running: false,
  Paused: false,
  OOMKilled: false,
  Dead: false,
  Pid: 0,
  ExitCode: 0,
  Error: '',
  StartedAt: NEVER,
  FinishedAt: NEVER,
};

function listedState(entry: ContainerListEntry, { State: last }: ContainerInspect): ContainerInspectState {
  const { State: status } = entry;
  const running = RUNNING.includes(status);
  const started = { ...NOTHING_YET, Status: status, StartedAt: last.StartedAt };
  if (status === 'created') return started;
  // Docker's pid of a paused one is that of the running one.
  if (running) return { ...started, Running: true, Paused: status === 'paused', Pid: last.Pid };
  return {
    ...started,
    Dead: status === 'dead',
    ExitCode: exitCodeOf(entry) ?? UNKNOWN_EXIT_CODE,
    FinishedAt: last.Running ? new Date().toISOString() : last.FinishedAt,
  };
}

const RUNNING: readonly ContainerStatusWord[] = ['running', 'paused', 'restarting'];

/** `Exited (137) 5 minutes ago`: the one place where a list tells it. */
function exitCodeOf({ Status: text = '' }: ContainerListEntry): number | undefined {
  const [, digits] = /^Exited \((\d+)\)/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
