import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../cli/config.js';
import { readConfigFolder } from '../network/cni/config-folder.js';
import { isJsonObject } from '../network/cni/json-object.js';
import type { NetworkConfig } from '../network/cni/network-config.js';
import { findPlugin } from '../network/cni/plugin-binary.js';
import { failure, ok, warning, type Finding } from './finding.js';

/** Debian has them in a folder that no other distribution uses. */
const INSTALL_PLUGIN =
  'install it (Debian: apt install containernetworking-plugins), and name its folder: --cni-bin-dir /opt/cni/bin,/usr/lib/cni';

/** How pods get their network. */
export async function checkPodNetwork(config: Config): Promise<Finding[]> {
  if (config.networkPlugin !== 'cni') return [ok('cni-config', "pods are on Docker's bridge, without CNI")];
  const { network, problems } = await readConfigFolder(config.cniConfDir, config.cniBinDirs);
  const passedOver = problems.map(({ path, reason }) => {
    const remedy = reason.includes('is not installed') ? INSTALL_PLUGIN : 'mend or remove this file';
    return (network === undefined ? failure : warning)('cni-config', `${path}: ${reason}`, remedy);
  });
  if (network === undefined) {
    const message = `no usable CNI network in ${config.cniConfDir}: pods that are not on the host's network wait for one`;
    const remedy = "install the cluster's network, or write a file there (examples: deploy/cni)";
    return [...passedOver, failure('cni-config', message, remedy)];
  }
  return [
    ...passedOver,
    ok('cni-config', `${network.path} sets up network ${network.config.name}`),
    ...(await checkAddressPlugins(network.config, config.cniBinDirs)),
  ];
}

/** The plugins that the network's own plugins run to get addresses. The others are there, or there was no network. */
async function checkAddressPlugins(network: NetworkConfig, binDirs: readonly string[]): Promise<Finding[]> {
  const types = network.plugins
    .map(({ body }) => body['ipam'])
    .map((ipam) => isJsonObject(ipam) && ipam['type']);
  const findings: Finding[] = [];
  for (const type of new Set(types)) {
    if (typeof type !== 'string') continue;
    if ((await findPlugin(type, binDirs)) === undefined) {
      const message = `plugin ${type} is not executable in ${binDirs.join(', ')}`;
      findings.push(failure('cni-plugins', message, INSTALL_PLUGIN));
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
    const remedy = `${load}sysctl -w ${name}=1, and keep it in /etc/sysctl.d/99-kubernetes.conf`;
    findings.push(level('sysctl', `${name} is ${value === '' ? 'not there' : value}`, remedy));
  }
  return findings;
}
