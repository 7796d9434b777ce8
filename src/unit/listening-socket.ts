import { systemctl, type Systemctl } from './systemctl.js';

/**
 * The path that systemd listens on for the service of `unit`, as its socket units say; undefined where there is none. A socket unit
 * may listen elsewhere than its package's: only systemd knows.
 */
export async function listeningSocketOf(
  unit: string,
  run: Systemctl = systemctl,
): Promise<string | undefined> {
  const shown = await run('show', '-p', 'TriggeredBy', '--value', unit).catch(() => '');
  const sockets = shown.split(/\s+/).filter((name) => name.endsWith('.socket'));
  if (sockets.length === 0) return undefined;
  const listens = await run('show', '-p', 'Listen', '--value', ...sockets).catch(() => '');
  return /^(\/.*) \(Stream\)$/m.exec(listens)?.[1];
}
