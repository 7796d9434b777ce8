import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CriCaller } from '../client/cri-client.js';
import type { NriSettings } from '../cli/config.js';
import { findPluginPrograms } from '../nri/plugin-programs.js';
import { messageOf } from '../util/cri-error.js';
import { isMissing } from '../util/is-missing.js';
import { ok, shellWord, warning, type Finding } from './finding.js';

const CHECK = 'nri';
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * Whether NRI plugins can come, and who could put one there: they do on the node what root can. `settings` are undefined where they
 * are switched off.
 */
export async function checkNri(settings: NriSettings | undefined): Promise<Finding[]> {
  if (settings === undefined) return [ok(CHECK, 'NRI plugins are not served (nri-disable)')];
  const { socketPath, pluginPath, pluginConfigPath } = settings;
  const findings: Finding[] = [];
  if (socketPath !== '')
    findings.push(...(await checkOwner(dirname(socketPath), 'the folder of the socket')));
  const programs: string[] = [];
  if (pluginPath !== '') {
    findings.push(...(await checkOwner(pluginPath, 'the folder of plugins')));
    findings.push(...(await checkOwner(pluginConfigPath, 'the folder of their configurations')));
    findings.push(...(await checkPrograms(settings, programs)));
  }
  if (findings.length > 0) return findings;
  const connected = socketPath === '' ? 'none can connect' : `they connect to ${socketPath}`;
  const started = programs.length === 0 ? 'none is started' : `${programs.join(', ')} are started`;
  return [ok(CHECK, `NRI plugins are served: ${connected}, ${started}`)];
}

/** What the service itself says: why no plugin can connect, and which have failed. Those have a condition of their own. */
export async function checkNriService(cri: CriCaller, socketPath: string): Promise<Finding[]> {
  const problem = await problemOf(cri);
  if (problem === '') return [];
  const remedy = `ss --listening --unix --processes src ${shellWord(socketPath)}`;
  return [warning(CHECK, `NRI plugins cannot connect: ${problem}`, remedy)];
}

async function problemOf(cri: CriCaller): Promise<string> {
  try {
    const { info } = (await cri.call('Status', { verbose: true })) as { info?: { config?: string } };
    const { nri } = JSON.parse(info?.config ?? '{}') as { nri?: { problem?: unknown } };
    return typeof nri?.problem === 'string' ? nri.problem : '';
  } catch {
    return ''; // a service that does not answer has a finding of its own
  }
}

async function checkPrograms(settings: NriSettings, programs: string[]): Promise<Finding[]> {
  const { pluginPath, pluginConfigPath } = settings;
  const findings: Finding[] = [];
  const folders = { plugins: pluginPath, configs: pluginConfigPath };
  try {
    const found = await findPluginPrograms(folders, (name, error) => {
      const path = join(pluginPath, name);
      const message = `${path} is not started as an NRI plugin: ${messageOf(error)}`;
      findings.push(warning(CHECK, message, `chmod a-x ${shellWord(path)}`));
    });
    for (const { path, identity } of found) {
      programs.push(`${identity.index}-${identity.base}`);
      findings.push(...(await checkOwner(path, 'the NRI plugin')));
    }
  } catch (error) {
    const message = `the folder of NRI plugins cannot be read: ${messageOf(error)}`;
    findings.push(warning(CHECK, message, `ls -ld ${shellWord(pluginPath)}`));
  }
  return findings;
}

/** Whatever others than root may change there runs as root. What is not there has nothing wrong. */
async function checkOwner(path: string, what: string): Promise<Finding[]> {
  try {
    const { mode, uid } = await stat(path);
    const isOpen = (mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0;
    if (uid === 0 && !isOpen) return [];
    const message = `${what} ${path} can be changed by others than root: NRI plugins can do what root can`;
    return [warning(CHECK, message, `chown root:root ${shellWord(path)} && chmod go-w ${shellWord(path)}`)];
  } catch (error) {
    if (isMissing(error)) return [];
    return [warning(CHECK, `${what} cannot be looked at: ${messageOf(error)}`, `ls -ld ${shellWord(path)}`)];
  }
}
