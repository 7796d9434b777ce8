import type { HostConfig } from '../../docker/types.js';

/** The fact of cridock's own that tells who writes a container's log: without it the log is a link to Docker's file. */
export const LOG_MODE = 'log-mode';
export const CRI_LOG_MODE = 'cri';

/** How the logs of new containers are kept. */
export interface ContainerLogSettings {
  /** `cri`: cridock writes them; `symlink`: they are links to the Engine's own, as cri-dockerd's. */
  mode: 'cri' | 'symlink';
  /** Driver of the Engine's own copy; `daemon` leaves driver and options to the Engine's configuration. */
  driver: 'auto' | 'daemon' | 'local' | 'json-file' | 'journald';
  /** Bounds of the Engine's own copy, for the drivers that write files. */
  maxSize: string;
  maxFiles: number;
}

/**
 * The Engine's own copy of a log: bounded, and read by cridock. By default with `local`, which keeps bytes as they are and
 * is read faster, where `json-file` replaces what is no UTF-8; where the Engine does not list it, as Podman's, `json-file`. Before API 1.42 lines of more than 16 KiB never end with
 * `local`, and `json-file` is the default. A link needs a `json-file`, which the Engine's own configuration decides on, as
 * with cri-dockerd. Undefined leaves it to the Engine.
 */
export function logConfig(
  { mode, driver, maxSize, maxFiles }: ContainerLogSettings,
  supports: (apiVersion: string) => boolean,
  known: readonly string[] = ['local'],
): HostConfig['LogConfig'] {
  const isLocalFit = supports('1.42') && known.includes('local');
  const preset = mode === 'symlink' ? 'daemon' : isLocalFit ? 'local' : 'json-file';
  const chosen = driver === 'auto' ? preset : driver;
  if (chosen === 'daemon') return undefined;
  // Without this, the mode of the Engine's configuration would be taken over, and non-blocking loses lines.
  const delivery = { mode: 'blocking' };
  if (chosen === 'journald') return { Type: chosen, Config: delivery };
  const bounds = { 'max-size': maxSize, 'max-file': String(maxFiles), compress: 'false' };
  return { Type: chosen, Config: { ...delivery, ...bounds } };
}
