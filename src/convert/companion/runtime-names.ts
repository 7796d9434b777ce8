/** The name of the companion runtime that containerd makes the shim's of: `containerd-shim-cridock-v2`. */
export const SHIM_RUNTIME = 'io.containerd.cridock.v2';
/** How it may be registered with an Engine whose API is older than names of shims (before 1.42), in daemon.json. */
export const REGISTERED = 'cridock';

/** True for the runtime of containers that the companion starts. */
export function isCompanionRuntime(name: string | undefined): boolean {
  return name === SHIM_RUNTIME || name === REGISTERED;
}
