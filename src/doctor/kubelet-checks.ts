import type { Config } from '../cli/config.js';
import { readYamlFile } from '../cli/yaml-file.js';
import type { EngineInfo } from '../docker/types.js';
import { messageOf } from '../util/cri-error.js';
import { failure, ok, warning, type Finding } from './finding.js';

/** What a kubelet takes when its config file does not say. */
const DEFAULT_CGROUP_DRIVER = 'cgroupfs';

/** The kubelet's config file (KubeletConfiguration) against the Engine and our own settings. */
export function checkKubelet(path: string, info: EngineInfo | undefined, config: Config): Finding[] {
  let kubelet: Readonly<Record<string, unknown>>;
  try {
    kubelet = readYamlFile(path);
  } catch (error) {
    return [
      failure(
        'kubelet-config',
        `${path} cannot be read: ${messageOf(error)}`,
        "give the path of the kubelet's config",
      ),
    ];
  }
  const { cgroupDriver, containerRuntimeEndpoint } = kubelet;
  return [
    ...(info === undefined
      ? []
      : [checkCgroupDriver(typeof cgroupDriver === 'string' ? cgroupDriver : DEFAULT_CGROUP_DRIVER, info)]),
    ...(typeof containerRuntimeEndpoint === 'string'
      ? [checkEndpoint(containerRuntimeEndpoint, config)]
      : []),
  ];
}

/** A kubelet of 1.28 and later may ask for the driver (RuntimeConfig), but acts on its own setting when that fails. */
function checkCgroupDriver(kubelets: string, { CgroupDriver: engines }: EngineInfo): Finding {
  if (kubelets === engines) return ok('cgroup-driver', `kubelet and Engine both use ${engines}`);
  return failure(
    'cgroup-driver',
    `the kubelet's cgroup driver is ${kubelets}, the Engine's is ${engines}`,
    `set cgroupDriver: ${engines} in the kubelet's config, or "exec-opts": ["native.cgroupdriver=${kubelets}"] in /etc/docker/daemon.json`,
  );
}

function checkEndpoint(kubelets: string, { endpoint }: Config): Finding {
  // Of a socket unit only systemd knows the path; /var/run is a link to /run.
  const plain = (path: string): string => path.replace(/^unix:\/\//, '').replace(/^\/var\/run\//, '/run/');
  const ours = endpoint.kind === 'unix' ? endpoint.path : '/run/cri-dockerd.sock';
  if (plain(kubelets) === plain(ours)) return ok('kubelet-endpoint', `the kubelet calls ${kubelets}`);
  return warning(
    'kubelet-endpoint',
    `the kubelet calls ${kubelets}, cridock serves ${ours}`,
    `set containerRuntimeEndpoint: unix://${ours} in the kubelet's config`,
  );
}
