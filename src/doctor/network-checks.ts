import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../cli/config.js';
import { readConfigFolder } from '../network/cni/config-folder.js';
import { isJsonObject } from '../network/cni/json-object.js';
import type { NetworkConfig } from '../network/cni/network-config.js';
import { findPlugin } from '../network/cni/plugin-binary.js';
import { failure, ok, settingRemedy, shellWord, warning, type Finding } from './finding.js';

/** Debian, Fedora and everyone else have them in different folders. */
const USUAL_BIN_DIRS = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];
/** Where the package has networks to begin with. */
const EXAMPLE = '/usr/share/cridock/cni/10-bridge.conflist';

/** A plugin that is somewhere else needs its folder named, any other an installation. */
function pluginRemedy(type: string, binDirs: readonly string[], usual: readonly string[]): string {
  const found = findPlugin(type, usual);
  if (found !== undefined) return settingRemedy('cniBinDir', JSON.stringify([...binDirs, dirname(found)]));
  const folder = binDirs.includes('/usr/lib/cni') ? [] : ['/usr/lib/cni'];
  const name =
    folder.length > 0 ? ` && ${settingRemedy('cniBinDir', JSON.stringify([...binDirs, ...folder]))}` : '';
  return `apt-get install -y containernetworking-plugins${name}`;
}

/** How pods get their network. */
export async function checkPodNetwork(config: Config, usual = USUAL_BIN_DIRS): Promise<Finding[]> {
  if (config.networkPlugin !== 'cni') return [ok('cni-config', "pods are on Docker's bridge, without CNI")];
  const { network, problems } = await readConfigFolder(config.cniConfDir, config.cniBinDirs);
  const level = network === undefined ? failure : warning;
  const passedOver: Finding[] = [];
  for (const { path, reason } of problems) {
    const [, plugin] = /plugin (\S+) is not installed/.exec(reason) ?? [];
    const remedy =
      plugin === undefined
        ? `mv ${shellWord(path)} ${shellWord(`${path}.off`)}`
        : pluginRemedy(plugin, config.cniBinDirs, usual);
    passedOver.push(level('cni-config', `${path}: ${reason}`, remedy));
  }
  if (network === undefined) {
    const message = `no usable CNI network in ${config.cniConfDir}: pods that are not on the host's network wait for one`;
    const remedy = `mkdir -p ${config.cniConfDir} && cp ${EXAMPLE} ${config.cniConfDir}/`;
    // A file that is there, and cannot be used, is the cause.
    return passedOver.length > 0 ? passedOver : [failure('cni-config', message, remedy)];
  }
  return [
    ...passedOver,
    ok('cni-config', `${network.path} sets up network ${network.config.name}`),
    ...checkAddressPlugins(network.config, config.cniBinDirs, usual),
  ];
}

/** The plugins that the network's own plugins run to get addresses. The others are there, or there was no network. */
function checkAddressPlugins(
  network: NetworkConfig,
  binDirs: readonly string[],
  usual: readonly string[],
): Finding[] {
  const types = network.plugins
    .map(({ body }) => body['ipam'])
    .map((ipam) => isJsonObject(ipam) && ipam['type']);
  const findings: Finding[] = [];
  for (const type of new Set(types)) {
    if (typeof type !== 'string') continue;
    if (findPlugin(type, binDirs) === undefined) {
      const message = `plugin ${type} is not executable in ${binDirs.join(', ')}`;
      findings.push(failure('cni-plugins', message, pluginRemedy(type, binDirs, usual)));
    }
  }
  return findings.length > 0 ? findings : [ok('cni-plugins', 'all plugins are installed')];
}

/** Kernel settings without which packets of pods go nowhere. `procSys` is /proc/sys. */
export async function checkSysctls(procSys: string): Promise<Finding[]> {
  const wanted = [
    { name: 'net.ipv4.ip_forward', level: failure, module: '' },
    { name: 'net.bridge.bridge-nf-call-iptables', level: warning, module: 'br_netfilter' },
  ];
  const findings: Finding[] = [];
  for (const { name, level, module } of wanted) {
    const path = join(procSys, name.replace(/^(\w+)\.(\w+)\./, '$1/$2/'));
    const value = (await readFile(path, 'utf8').catch(() => '')).trim();
    if (value !== '' && value !== '0') {
      findings.push(ok('sysctl', `${name} is ${value}`));
      continue;
    }
    const load = value === '' && module !== '' ? `modprobe ${module} && ` : '';
    const remedy = `${load}sysctl -w ${name}=1 && echo ${name}=1 >>/etc/sysctl.d/99-kubernetes.conf`;
    findings.push(level('sysctl', `${name} is ${value === '' ? 'not there' : value}`, remedy));
  }
  return findings;
}
