import { markdownTable, runsTable } from './ran.js';
import type { Run } from './ran.js';

/** What the runs of the tests' own machines, and of its virtual machine, are recorded with. */
export const NODES = {
  old: 'Debian 12, cgroup v1',
  modern: 'Debian 13, cgroup v2, systemd, AppArmor',
} as const;

/** One row: what cridock works with. It is tested where a run that `shows` it has passed, and else expected. */
interface Row {
  readonly what?: string;
  readonly versions: string;
  readonly shows?: (run: Run) => boolean;
  /** What is to be said beside it. */
  readonly note?: string;
}

const on =
  (...engines: readonly string[]) =>
  ({ engine }: Run): boolean =>
    engine.split(', ').some((one) => engines.includes(one));
const suite =
  (...names: readonly string[]) =>
  (run: Run): boolean =>
    names.includes(run.suite);
const node =
  (name: keyof typeof NODES) =>
  (run: Run): boolean =>
    run.node === NODES[name];

const ROWS: readonly Row[] = [
  { what: 'Docker Engine', versions: '20.10 (API 1.41)', shows: on('20.10') },
  { versions: '26.1 (1.45), graph drivers', shows: on('26.1') },
  { versions: '28.5 (1.51), graph drivers', shows: on('28.5.2') },
  { versions: '28.5, containerd store', shows: on('28.5.2+containerd') },
  { versions: '29.8 (1.56, of which 1.55 is used), graph drivers', shows: on('29.8') },
  { versions: '29.8, containerd store', shows: on('29.8+containerd') },
  {
    versions: '23 to 25, 27 (API window 1.41 to 1.55)',
    note: 'the API floor of 29.0 is tested on 28.5',
  },
  {
    what: 'kubelet',
    versions: '1.37.2 with its control plane and kubectl',
    shows: suite('kubelet 1.37.2', 'NodeConformance 1.37.2'),
    note: 'what cannot pass of Kubernetes’ own suite is in test/conformance/exceptions-node-conformance.txt',
  },
  { versions: '1.36.3 under a control plane of 1.37.2', shows: suite('kubelet 1.36.3') },
  { versions: '1.34.4 under a control plane of 1.37.2', shows: suite('kubelet 1.34.4') },
  { versions: '1.24 to 1.33, 1.35', note: 'fields that one side does not know are ignored' },
  {
    what: 'cri-dockerd',
    versions: '0.4.3 and master, pods handed over in both directions',
    note: 'its data model and both shapes of mounts are tested; the handing over runs by hand before a release',
  },
  { what: 'operating system', versions: 'Debian 12, cgroup v1, amd64', shows: node('old') },
  {
    versions: 'Debian 13, cgroup v2, systemd cgroup driver, AppArmor, amd64',
    shows: node('modern'),
    note: 'in a virtual machine',
  },
  {
    versions: 'Ubuntu 20.04 and newer',
    shows: suite('package'),
    note: 'the deb, on a Debian 13 laid out as Ubuntu',
  },
  {
    versions: 'Enterprise Linux 8 and 9, Fedora, Amazon Linux 2023',
    shows: suite('package'),
    note: 'the rpm with rpm and dnf, on a root laid out as Enterprise Linux 9',
  },
  {
    versions: 'other Linux with systemd and glibc 2.28 and newer',
    shows: suite('package'),
    note: 'the archive’s install script, on Debian 13 and on that root',
  },
  {
    versions: 'arm64',
    shows: suite('package'),
    note: 'the deb on an emulated Debian 12, to a running pod; never run on a machine',
  },
  { versions: 'SELinux', note: 'options are tested, not enforcing kernels' },
  {
    what: 'container image',
    versions: 'privileged, on a node with systemd',
    note: 'built and run by hand on Engine 28.5.2, with a pod, logs and exec; its start script is untried: it needs a shared root mount, as systemd makes it',
  },
  {
    what: 'Node.js (sources)',
    versions: '24',
    shows: suite('tests'),
    note: 'on the release that the executable holds',
  },
  {
    what: 'CNI',
    versions: 'specification 0.3.1 to 1.1.0; bridge, host-local, portmap',
    shows: suite('tests'),
    note: 'with the reference plugins',
  },
  { versions: 'Calico, Cilium, Flannel' },
  {
    what: 'installers',
    versions: 'flags and pairs of units as minikube and kubespray write them',
    shows: suite('tests'),
    note: 'without these programs themselves',
  },
  { versions: 'kubeadm' },
];

function howSure({ shows, note }: Row, runs: readonly Run[]): string {
  const shown = runs.filter((run) => shows?.(run));
  const names = (some: readonly Run[]): string => [...new Set(some.map((run) => run.suite))].join(', ');
  const failed = shown.filter((run) => run.failed > 0);
  const passed = shown.filter((run) => run.failed === 0 && run.passed > 0);
  return [
    ...(passed.length > 0 ? [`tested: ${names(passed)}`] : failed.length === 0 ? ['expected'] : []),
    ...(failed.length > 0 ? [`with failures: ${names(failed)}`] : []),
    ...(note === undefined ? [] : [note]),
  ].join('; ');
}

/** The table of what cridock works with, and how that is known from these runs. */
function compatibilityTable(runs: readonly Run[]): string {
  return markdownTable([
    ['what', 'versions', 'how sure'],
    ...ROWS.map((row) => [row.what ?? '', row.versions, howSure(row, runs)]),
  ]);
}

/** The page with both of its tables made anew; it says all else itself. */
export function withTables(page: string, runs: readonly Run[]): string {
  const replaced = (text: string, head: string, table: string): string => {
    const began = text.indexOf(`\n| ${head} `) + 1;
    const length = /(?:\|.*\n)*/.exec(text.slice(began))?.[0].length ?? 0;
    return text.slice(0, began) + table + text.slice(began + length);
  };
  return replaced(replaced(page, 'what', compatibilityTable(runs)), 'suite', runsTable(runs));
}
