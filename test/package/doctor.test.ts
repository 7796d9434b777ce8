import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Finding } from '../../src/doctor/finding.js';
import type { NodeStatus } from '../../src/status/collect.js';
import { noEngine } from '../support/cridock-process.js';
import { ROOT, bootDebian, buildExecutable, type DebianNode } from '../support/debian-node.js';
import { installByHand, type OldServer } from '../support/old-node.js';
import { until } from '../support/until.js';

const ENGINE = ['28.5.2', '--name', 'doctor', '--live-restore'];
const KUBELET = '/var/lib/kubelet/config.yaml';
const RIVAL: OldServer = {
  bin: '/usr/local/bin',
  units: '/etc/systemd/system',
  name: 'cri-docker',
  flags: '--container-runtime-endpoint fd://',
};

/** A node that is broken in one way: what breaks it, and the check that tells of it. */
interface Broken {
  readonly what: string;
  readonly by: string | ((node: DebianNode) => void);
  readonly check: string;
  /** What the remedy leaves behind that is not healthy by our book, if anything. */
  readonly after?: string;
}

const BROKEN: readonly Broken[] = [
  {
    what: 'the service is stopped',
    by: 'systemctl stop cri-docker.socket cri-docker.service',
    check: 'service',
  },
  {
    what: 'the service is not started at boot',
    by: 'systemctl --quiet disable cri-docker.socket cri-docker.service',
    check: 'service',
  },
  {
    what: 'the unit was changed and not read again',
    by: "mkdir -p /etc/systemd/system/cri-docker.service.d; printf '[Service]\\nNice=1\\n' >/etc/systemd/system/cri-docker.service.d/nice.conf",
    check: 'service',
  },
  {
    what: 'a cri-dockerd of the same unit name shadows the package',
    by: (node) => installByHand(node, RIVAL),
    check: 'service',
    after:
      'cridock migrate --to cri-dockerd; systemctl disable --now cri-docker.socket cri-docker.service; rm /etc/systemd/system/cri-docker.service /etc/systemd/system/cri-docker.socket /usr/local/bin/cri-dockerd; systemctl daemon-reload; systemctl enable --now cri-docker.socket cri-docker.service; systemctl restart cri-docker.service',
  },
  {
    what: 'there is no group docker',
    by: 'groupdel docker; systemctl restart cri-docker.socket || true; systemctl stop cri-docker.service',
    check: 'group',
  },
  {
    what: 'a setting is misspelled',
    by: "mkdir -p /etc/cridock/conf.d; printf 'apiVersion: config.cridock.io/v1\\nkind: CridockConfiguration\\nlogLevle: debug\\n' >/etc/cridock/conf.d/70-mine.yaml; systemctl restart cri-docker.service || true",
    check: 'settings',
  },
  { what: 'the Engine is stopped', by: 'systemctl stop docker', check: 'engine' },
  { what: 'there is no network', by: 'rm /etc/cni/net.d/*', check: 'cni-config' },
  {
    what: 'a network before the one that counts is no JSON',
    by: 'echo "{" >/etc/cni/net.d/00-broken.conflist',
    check: 'cni-config',
  },
  {
    what: 'the plugins are in a folder that no setting names',
    by: `printf 'apiVersion: config.cridock.io/v1\\nkind: CridockConfiguration\\ncniBinDir: [/opt/cni/bin]\\n' >/etc/cridock/conf.d/50-bins.yaml
systemctl restart cri-docker.service`,
    check: 'cni-config',
    after:
      'rm /etc/cridock/conf.d/50-bins.yaml /etc/cridock/conf.d/60-cniBinDir.yaml; systemctl restart cri-docker.service',
  },
  { what: 'packets are not forwarded', by: 'sysctl -qw net.ipv4.ip_forward=0', check: 'sysctl' },
  {
    what: 'bridges do not call iptables',
    by: 'sysctl -qw net.bridge.bridge-nf-call-iptables=0',
    check: 'sysctl',
  },
  { what: 'Docker drops what pods send on', by: 'iptables -P FORWARD DROP', check: 'forward-policy' },
  {
    what: 'the kubelet has another cgroup driver',
    by: `sed -i 's/^cgroupDriver: .*/cgroupDriver: other/' ${KUBELET}`,
    check: 'cgroup-driver',
  },
  {
    what: 'the kubelet calls another socket',
    by: `echo 'containerRuntimeEndpoint: unix:///run/containerd/containerd.sock' >>${KUBELET}`,
    check: 'kubelet-endpoint',
  },
  {
    what: 'kubeadm told the kubelet another socket',
    by: `echo 'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///run/containerd/containerd.sock"' >/var/lib/kubelet/kubeadm-flags.env`,
    check: 'kubelet-endpoint',
  },
  {
    what: 'the root directory is a file',
    by: 'systemctl stop cri-docker.socket cri-docker.service; mv /var/lib/cri-dockerd /var/lib/kept; touch /var/lib/cri-dockerd; systemctl start cri-docker.socket cri-docker.service || true',
    check: 'root-directory',
  },
];

describe('cridock doctor', { skip: noEngine }, () => {
  let node: DebianNode;
  const engine = (verb: string): string =>
    execFileSync(path.join(ROOT, 'test/support/engine.sh'), [verb, ...ENGINE], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();

  /** What is found that is not well: once it is of these checks, as a service that was just started has yet to find its Engine. */
  async function troubles(...checks: readonly string[]): Promise<Finding[]> {
    let found: Finding[] = [];
    const isExpected = (): boolean => {
      const { output } = node.tried('cridock doctor --json');
      found = (JSON.parse(output) as Finding[]).filter(({ level }) => level !== 'ok');
      return found.map(({ check }) => check).join() === checks.join();
    };
    await until(checks.join(), isExpected, 60_000).catch(() => undefined); // who asks compares
    return found;
  }

  before(async () => {
    buildExecutable();
    const socket = engine('start');
    const docker = execFileSync(path.join(ROOT, 'test/support/engine.sh'), ['docker', '28.5.2'], {
      encoding: 'utf8',
    }).trim();
    execFileSync(path.join(ROOT, 'test/support/images.sh'), ['load', `unix://${socket}`], {
      env: { ...process.env, DOCKER: docker },
      stdio: 'ignore',
    });
    // The node's docker.service stands for that Engine: stopped, its socket is gone.
    node = bootDebian(socket, { with: 'ansible-core,procps', socketOnNode: '/run/engine.sock' });
    const units: Readonly<Record<string, string>> = {
      'docker.service':
        'Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/ln -sf /run/engine.sock /run/docker.sock\nExecStop=/bin/rm /run/docker.sock',
      'kubelet.service': 'ExecStart=/bin/sleep infinity',
    };
    for (const [name, text] of Object.entries(units)) {
      node.on(`printf '[Service]\\n${text.replaceAll('\n', '\\n')}\\n' >/etc/systemd/system/${name}`);
    }
    node.on('systemctl daemon-reload; systemctl start docker kubelet; mkdir -p /var/lib/kubelet');
    // What docs/installing.md says.
    node.on('dpkg -i /root/cridock.deb; mkdir -p /etc/cni/net.d');
    node.on('cp /usr/share/cridock/cni/10-bridge.conflist /etc/cni/net.d/');
    node.on('sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1');
    node.on(
      `printf 'kind: KubeletConfiguration\\ncgroupDriver: ${await engineCgroupDriver()}\\nfailCgroupV1: false\\n' >${KUBELET}`,
    );
  });
  after(() => {
    node.halt();
    engine('stop');
  });

  async function engineCgroupDriver(): Promise<string> {
    const status = () => node.tried('cridock status --json');
    await until('the Engine to be found', () => status().status === 0, 60_000);
    return (JSON.parse(status().output) as { engine: { cgroupDriver: string } }).engine.cgroupDriver;
  }

  it('finds nothing on a node that is set up as the documentation says, without any flag', async () => {
    assert.deepEqual(await troubles(), []);
    assert.equal(node.tried('cridock doctor').status, 0);
    assert.equal(node.tried('cridock status').status, 0);
  });

  it('has a status that is right while the Engine is away, while the service is down, and by its metrics', async () => {
    const status = (): { code: number | null; now: NodeStatus } => {
      const { status: code, output } = node.tried('cridock status --json');
      return { code, now: JSON.parse(output) as NodeStatus };
    };
    const failing = ({ conditions }: NodeStatus): string[] =>
      conditions.filter(({ isTrue }) => !isTrue).map(({ type }) => type);

    // The socket alone is gone: who is connected would not notice.
    node.on('systemctl stop docker; systemctl restart cri-docker.service');
    await until('the Engine to be missed', () => failing(status().now).includes('RuntimeReady'), 60_000);
    const away = status();
    assert.deepEqual([away.code, away.now.ready, away.now.unreachable], [1, false, undefined]);
    assert.deepEqual(
      [away.now.pods, away.now.containers, away.now.images],
      [undefined, undefined, undefined],
    );
    node.on('systemctl start docker');
    await until('the Engine', () => status().code === 0, 60_000);
    assert.deepEqual(status().now.pods, {});

    node.on('systemctl stop cri-docker.socket cri-docker.service');
    const down = status();
    assert.deepEqual([down.code, down.now.ready, down.now.service.state], [1, false, 'inactive']);
    assert.match(down.now.unreachable ?? '', /cri-dockerd\.sock/);

    const settings = '/etc/cridock/conf.d/80-metrics.yaml';
    node.on(
      `printf 'apiVersion: config.cridock.io/v1\\nkind: CridockConfiguration\\nmetricsBindAddr: 127.0.0.1:9101\\n' >${settings}`,
    );
    node.on('systemctl start cri-docker.socket cri-docker.service');
    await until('the service', () => status().code === 0, 60_000);
    const { activity } = status().now;
    assert.ok((activity?.calls ?? 0) > 0 && (activity?.memoryBytes ?? 0) > 0, JSON.stringify(activity));
    assert.match(node.on('cridock status'), /^activity +\d+ calls, /m);
    node.on(`rm ${settings}; systemctl restart cri-docker.service`);
    await until('the service', () => status().code === 0, 60_000);
  });

  for (const { what, by, check, after: mend } of BROKEN) {
    it(`has one finding where ${what}, with a remedy that mends it as it is printed`, async () => {
      if (typeof by === 'string') node.on(by);
      else by(node);
      const found = await troubles(check);
      assert.deepEqual(
        found.map((one) => one.check),
        [check],
        JSON.stringify(found, undefined, 2),
      );
      const [{ remedy } = { remedy: '' }] = found;
      node.on(remedy);
      assert.deepEqual(await troubles(), [], `after ${remedy}`);
      if (mend !== undefined) node.on(mend);
    });
  }
});
