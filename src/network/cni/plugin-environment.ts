/** What in cridock's environment is a message to cridock alone: of its service manager, of its callers, to Node.js. */
const OWN =
  /^(LISTEN_(PID|FDS|FDNAMES)|NOTIFY_SOCKET|WATCHDOG_(PID|USEC)|MAINPID|CREDENTIALS_DIRECTORY|NODE_(OPTIONS|CHANNEL_FD)|CNI_.*)$/;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * What plugins get of cridock's own environment. As libcni passes it whole, operators set for the service what plugins
 * need: proxies, certificates, a kubeconfig. Withholding more would protect nothing, as plugins are root on the node.
 */
export function pluginEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const passed: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !OWN.test(name)) passed[name] = value;
  }
  return passed;
}
