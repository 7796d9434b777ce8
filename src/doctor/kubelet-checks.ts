import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Config } from '../cli/config.js';
import { readYamlFile } from '../util/yaml-file.js';
import type { EngineInfo } from '../docker/types.js';
import { messageOf } from '../util/cri-error.js';
import { socketOf } from '../util/endpoint.js';
import { runProgram } from '../util/run-program.js';
import { failure, ok, shellWord, warning, type Finding } from './finding.js';

/** Where kubeadm puts them. */
const CONFIG_FILE = '/var/lib/kubelet/config.yaml';
const KUBEADM_FLAGS = '/var/lib/kubelet/kubeadm-flags.env';
/** What a kubelet takes when its config file does not say. */
const DEFAULT_CGROUP_DRIVER = 'cgroupfs';
const KUBELET_TIMEOUT_MS = 10_000;

/** The kubelet of this node, as far as files tell. */
export interface Kubelet {
  /** Undefined where there is none. */
  readonly configPath: string | undefined;
  readonly config: Readonly<Record<string, unknown>>;
  /** Why the file cannot be used; undefined when it can. */
  readonly problem: string | undefined;
  /** Where flags name another socket than the config does: the file that has them, and the endpoint. */
  readonly flagged: { readonly path: string; readonly endpoint: string } | undefined;
  /** Of its version, as 37 of 1.37.2; undefined when no kubelet is on PATH. */
  readonly minor: number | undefined;
}

/** Looks for the kubelet's files; `given` is the path of its config where the operator names it. */
export async function findKubelet(
  given: string | undefined,
  { configFile = CONFIG_FILE, kubeadmFlags = KUBEADM_FLAGS } = {},
): Promise<Kubelet> {
  const configPath = given ?? (existsSync(configFile) ? configFile : undefined);
  const flags = await readFile(kubeadmFlags, 'utf8').catch(() => '');
  const [, endpoint] = /--container-runtime-endpoint[= ]"?([^\s"]+)/.exec(flags) ?? [];
  const kubelet = {
    configPath,
    config: {},
    problem: undefined,
    flagged: endpoint === undefined ? undefined : { path: kubeadmFlags, endpoint },
    minor: await kubeletMinor(),
  };
  if (configPath === undefined) return kubelet;
  try {
    return { ...kubelet, config: readYamlFile(configPath) };
  } catch (error) {
    return { ...kubelet, problem: messageOf(error) };
  }
}

async function kubeletMinor(): Promise<number | undefined> {
  const asked = runProgram('kubelet', ['--version'], { timeoutMs: KUBELET_TIMEOUT_MS });
  const { stdout } = await asked.catch(() => ({ stdout: '' }));
  const minor = /v1\.(\d+)\./.exec(stdout)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

/** The kubelet's settings against the Engine and our own. */
export function checkKubelet(kubelet: Kubelet, info: EngineInfo | undefined, config: Config): Finding[] {
  const { configPath, problem, config: settings, flagged } = kubelet;
  if (configPath === undefined) {
    const findings = flagged === undefined ? [] : [checkEndpoint(flagged.endpoint, flagged.path, config)];
    return [ok('kubelet-config', 'no config file of a kubelet is here'), ...findings];
  }
  if (problem !== undefined) {
    const isMissing = problem.includes('ENOENT');
    const remedy = isMissing
      ? `ls -l ${CONFIG_FILE} && cridock doctor --kubelet-config ${CONFIG_FILE}`
      : `kubeadm upgrade node phase kubelet-config`;
    const what = isMissing ? 'is not there' : `is not YAML that a kubelet reads: ${problem}`;
    return [failure('kubelet-config', `${configPath} ${what}`, remedy)];
  }
  const { cgroupDriver, containerRuntimeEndpoint } = settings;
  const fromConfig =
    typeof containerRuntimeEndpoint === 'string' && containerRuntimeEndpoint !== ''
      ? { endpoint: containerRuntimeEndpoint, path: configPath }
      : undefined;
  // A flag wins over the config file.
  const called = flagged ?? fromConfig;
  return [
    ...(info === undefined
      ? []
      : [
          checkCgroupDriver(
            typeof cgroupDriver === 'string' ? cgroupDriver : DEFAULT_CGROUP_DRIVER,
            info,
            configPath,
          ),
        ]),
    ...(called === undefined ? [] : [checkEndpoint(called.endpoint, called.path, config)]),
  ];
}

/** A kubelet of 1.28 and later may ask for the driver (RuntimeConfig), but acts on its own setting when that fails. */
function checkCgroupDriver(kubelets: string, { CgroupDriver: engines }: EngineInfo, path: string): Finding {
  if (kubelets === engines) return ok('cgroup-driver', `kubelet and Engine both use ${engines}`);
  const file = shellWord(path);
  return failure(
    'cgroup-driver',
    `the kubelet's cgroup driver is ${kubelets}, the Engine's is ${engines}`,
    `sed -i '/^cgroupDriver:/d' ${file} && echo 'cgroupDriver: ${engines}' >>${file} && systemctl restart kubelet`,
  );
}

function checkEndpoint(kubelets: string, path: string, { endpoint }: Config): Finding {
  // /var/run is a link to /run.
  const plain = (one: string): string => one.replace(/^unix:\/\//, '').replace(/^\/var\/run\//, '/run/');
  const ours = plain(socketOf(endpoint));
  if (plain(kubelets) === ours) return ok('kubelet-endpoint', `the kubelet calls ${kubelets}`);
  const file = shellWord(path);
  return warning(
    'kubelet-endpoint',
    `the kubelet calls ${kubelets} (${path}), cridock serves unix://${ours}`,
    `sed -i 's#${kubelets}#unix://${ours}#' ${file} && systemctl restart kubelet`,
  );
}
