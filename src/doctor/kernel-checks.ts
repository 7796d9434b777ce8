import { access, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import type { EngineInfo } from '../docker/types.js';
import { runProgram } from '../util/run-program.js';
import { failure, ok, warning, type Finding } from './finding.js';

const IPTABLES_TIMEOUT_MS = 5_000;
/** Mounts whose owners are mapped: Linux 5.12, and for overlayfs 5.19. */
const IDMAP_KERNEL = [5, 19] as const;
/** Chains by which networks of clusters let pods' packets through. */
const POD_CHAINS = /-j (KUBE-FORWARD|cali|FLANNEL|CNI-|CILIUM|ANTREA|KUBE-ROUTER|WEAVE)/i;

/**
 * Docker drops what it does not forward itself when it has turned forwarding on. `rules` is what `iptables -S FORWARD` prints.
 */
export function checkForwardPolicy(rules: string): Finding {
  const isDropped = /^-P FORWARD DROP$/m.test(rules);
  if (!isDropped || POD_CHAINS.test(rules)) {
    return ok(
      'forward-policy',
      isDropped ? "the network's chain lets pods through" : 'packets are forwarded',
    );
  }
  return warning(
    'forward-policy',
    "iptables' policy for FORWARD is DROP (Docker sets it): pods of other nodes are not reached unless the network has rules of its own",
    'iptables -P FORWARD ACCEPT',
  );
}

/** '' where there is no iptables. */
export async function forwardRules(): Promise<string> {
  const asked = runProgram('iptables', ['-w', '-S', 'FORWARD'], { timeoutMs: IPTABLES_TIMEOUT_MS });
  return (await asked.catch(() => ({ stdout: '' }))).stdout;
}

/** What a kernel may have, and what is not to be had without it. `proc` is /proc. */
export async function checkKernel(proc: string, version = release()): Promise<Finding[]> {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = IDMAP_KERNEL;
  const hasIdmap = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  const hasPsi = await access(join(proc, 'pressure/cpu')).then(
    () => true,
    () => false,
  );
  return [
    ok(
      'kernel',
      hasIdmap
        ? `Linux ${version} maps the owners of mounts`
        : `Linux ${version} cannot map the owners of mounts (5.19 can)`,
    ),
    ok(
      'kernel',
      hasPsi ? 'pressure (PSI) is measured' : 'pressure (PSI) is not measured; psi=1 at boot may do it',
    ),
  ];
}

/** A kubelet from 1.35 on does not start on cgroup v1 unless it is told to. */
const FIRST_WITHOUT_V1 = 35;

/** `kubeletMinor` is that of the kubelet's version, undefined where there is none; `failCgroupV1` is its setting. */
export function checkCgroupVersion(
  info: EngineInfo | undefined,
  kubelet: { minor: number | undefined; failsOnV1: boolean | undefined; configPath: string | undefined },
): Finding {
  const version = info?.CgroupVersion ?? '';
  if (version !== '1') return ok('cgroup-version', version === '' ? 'not known' : `cgroup v${version}`);
  const { minor, failsOnV1, configPath } = kubelet;
  if (minor === undefined || minor < FIRST_WITHOUT_V1 || failsOnV1 === false) {
    return ok('cgroup-version', 'cgroup v1, which kubelets from 1.35 on refuse unless failCgroupV1 is false');
  }
  const file = configPath ?? '/var/lib/kubelet/config.yaml';
  return failure(
    'cgroup-version',
    `the node has cgroup v1, on which kubelet 1.${minor} does not start (better: boot with systemd.unified_cgroup_hierarchy=1)`,
    `sed -i '/^failCgroupV1:/d' ${file} && echo 'failCgroupV1: false' >>${file} && systemctl restart kubelet`,
  );
}

/** `swaps` is the text of /proc/swaps; `failsOnSwap` the kubelet's setting. */
export function checkSwap(swaps: string, failsOnSwap: boolean | undefined, hasKubelet: boolean): Finding {
  const count = swaps.trim().split('\n').length - 1;
  if (count < 1) return ok('swap', 'there is none');
  if (!hasKubelet || failsOnSwap === false)
    return ok('swap', 'there is some, which the kubelet is told to bear');
  return failure(
    'swap',
    'there is some: the kubelet does not start',
    "swapoff -a && sed -i '/\\sswap\\s/s/^/#/' /etc/fstab",
  );
}

export async function readSwaps(proc: string): Promise<string> {
  return readFile(join(proc, 'swaps'), 'utf8').catch(() => '');
}
