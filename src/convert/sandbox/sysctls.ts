import { invalidArgument } from '../../util/cri-error.js';

const IPC_SYSCTL = /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/;

/** Those belong to the network namespace; plugins may go by them, and the kernel gives some of them to interfaces that are made. */
export function isNetworkSysctl(name: string): boolean {
  return name.replaceAll('/', '.').startsWith('net.');
}

/**
 * `HostConfig.Sysctls` of a sandbox. INVALID_ARGUMENT for those that would change the host's own settings: network ones
 * in the host's network, IPC ones in the host's IPC. The OCI runtime would refuse them only at the start.
 */
export function sandboxSysctls(
  sysctls: Record<string, string>,
  host: { network: boolean; ipc: boolean },
): Record<string, string> {
  for (const name of Object.keys(sysctls)) {
    const field = `config.linux.sysctls[${JSON.stringify(name)}]`;
    const dotted = name.replaceAll('/', '.');
    if (host.network && isNetworkSysctl(name))
      throw invalidArgument(field, "the pod is in the host's network");
    if (host.ipc && IPC_SYSCTL.test(dotted))
      throw invalidArgument(field, "the pod is in the host's IPC namespace");
  }
  return sysctls;
}
