import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '../../../src/cli/config.js';
import type { CriCaller } from '../../../src/client/cri-client.js';
import { collectStatus, type NodeStatus } from '../../../src/status/collect.js';
import { statusScreen } from '../../../src/status/screen.js';
import { showStatus } from '../../../src/status/status.js';
import { Code, CriError } from '../../../src/util/cri-error.js';

const NOW_MS = Date.UTC(2026, 10, 29, 12, 0, 0);
const SERVICE = {
  unit: undefined,
  otherUnits: [],
  problems: [],
  sources: { flags: new Map(), env: {}, configFiles: [] },
  config: loadConfig({ flags: new Map(), env: {}, configFiles: [] }),
};

/** What a service says; the network is not ready when `networkProblem` is given. */
function answers(networkProblem?: string): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const config = {
    cridockVersion: '1.2.3',
    startedAt: '2026-11-29T09:00:00.000Z',
    sessions: 2,
    minOomScoreAdj: 0,
    logProblems: ['abc: disk full'],
    engine: {
      version: '28.5.2',
      apiVersion: '1.51',
      storageDriver: 'overlay2',
      imageStore: 'graphdriver',
      cgroupDriver: 'systemd',
      cgroupVersion: '2',
      defaultRuntime: 'runc',
      liveRestore: true,
      securityOptions: ['name=seccomp,profile=builtin', 'name=apparmor'],
      warnings: [],
    },
    network: {
      network: 'net',
      plugins: ['bridge', 'portmap'],
      cniVersion: '1.0.0',
      configFile: '/etc/cni/net.d/10.conflist',
      podCidr: '',
      problems: [],
    },
  };
  return {
    Version: { runtime_name: 'docker', runtime_version: '28.5.2' },
    Status: {
      status: {
        conditions: [
          { type: 'RuntimeReady', status: true, reason: '', message: '' },
          {
            type: 'NetworkReady',
            status: networkProblem === undefined,
            reason: networkProblem === undefined ? '' : 'NetworkPluginNotReady',
            message: networkProblem ?? '',
          },
        ],
      },
      info: { config: JSON.stringify(config) },
    },
    ListPodSandbox: {
      items: [{ state: 'SANDBOX_READY' }, { state: 'SANDBOX_READY' }, { state: 'SANDBOX_NOTREADY' }],
    },
    ListContainers: { containers: [{ state: 'CONTAINER_RUNNING' }, { state: 'CONTAINER_EXITED' }] },
    ListImages: { images: [{}, {}] },
  };
}

function callerOf(by: Readonly<Record<string, Readonly<Record<string, unknown>>>>): CriCaller {
  return {
    call: (rpc) => {
      const answer = by[rpc];
      return answer === undefined
        ? Promise.reject(new CriError(Code.UNAVAILABLE, 'no such socket'))
        : Promise.resolve(answer);
    },
    close: () => undefined,
  };
}

function statusOf(by: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<NodeStatus> {
  return collectStatus(SERVICE, callerOf(by));
}

const screen = (status: NodeStatus, colour = false): string =>
  statusScreen(status, { colour, nowMs: NOW_MS });

describe('status', () => {
  it('tells all of a service that is ready, in one screen', async () => {
    const status = await statusOf(answers());
    assert.equal(status.ready, true);
    assert.equal(
      screen(status),
      `● cridock 1.2.3 ready

service      no systemd unit, since 2026-11-29 09:00:00 UTC (3 h)
endpoint     unix:///var/run/cri-dockerd.sock
engine       Docker 28.5.2, API 1.51, overlay2 (graphdriver), cgroup v2 by systemd, runtime runc
network      net (bridge, portmap), CNI 1.0.0, /etc/cni/net.d/10.conflist
pods         2 ready, 1 notready
containers   1 running, 1 exited
images       2
sessions     2
activity     not known: no metrics are had (--metrics-bind-addr)

Conditions
  ✓ RuntimeReady
  ✓ NetworkReady

Problems
  ! abc: disk full

Weaker here than pods may ask
  ! oom_score_adj below 0 becomes 0: this host refuses less to cridock (--restrict-oom-score-adj)`,
    );
  });

  it('is not ready while the network is not, and says why', async () => {
    const status = await statusOf(answers('cni config uninitialized'));
    assert.equal(status.ready, false);
    assert.match(screen(status), /✗ NetworkReady: NetworkPluginNotReady: cni config uninitialized/);
  });

  it('names objects that cannot be read line by line, and is ready all the same', async () => {
    const message = ['a: x', 'b: x', 'c: x', 'd: x', 'e: x', 'f: x', 'g: x'].join('; ');
    const said = answers();
    const { conditions } = (said['Status'] as { status: { conditions: object[] } }).status;
    conditions.push({ type: 'ObjectsReadable', status: false, reason: 'ContainerUnreadable', message });
    const status = await statusOf(said);
    assert.equal(status.ready, true);
    assert.match(
      screen(status),
      /✗ ObjectsReadable: ContainerUnreadable: a: x\n {6}b: x\n {6}c: x\n {6}d: x\n {6}e: x\n {6}and 2 more \(--json has all\)/,
    );
  });

  it('tells that nobody answers, and what to do', async () => {
    const status = await statusOf({});
    assert.deepEqual([status.ready, status.unreachable], [false, 'no such socket']);
    assert.match(screen(status), /does not answer[\s\S]*nobody answers: no such socket\n.*cridock doctor/);
  });

  it('does not take pods that cannot be listed, as while the Engine is away, for none', async () => {
    const { Version, Status } = answers();
    const status = await statusOf({ Version: Version ?? {}, Status: Status ?? {} });
    assert.deepEqual([status.pods, status.containers, status.images], [undefined, undefined, undefined]);
    assert.match(screen(status), /^pods {9}not known\ncontainers {3}not known\nimages {7}not known$/m);
  });

  it('tells by the metrics what was done, and what failed of it most often', async () => {
    const metrics = `# HELP cri_rpc_duration_seconds Time to answer CRI calls.
cri_rpc_duration_seconds_bucket{le="0.001",rpc="Version",code="OK"} 7
cri_rpc_duration_seconds_count{rpc="Version",code="OK"} 7
cri_rpc_duration_seconds_count{rpc="ExecSync",code="INTERNAL"} 1
cri_rpc_duration_seconds_count{rpc="PullImage",code="UNKNOWN"} 2
process_resident_memory_bytes 87031808
process_cpu_seconds_total 12.4
cri_streaming_refused_total{reason="token"} 3
`;
    const config = loadConfig({
      flags: new Map(),
      env: { CRIDOCK_METRICS_BIND_ADDR: '127.0.0.1:9100' },
      configFiles: [],
    });
    const asked: unknown[] = [];
    const look = (read: () => Promise<string>) =>
      collectStatus({ ...SERVICE, config }, callerOf(answers()), (address) => {
        asked.push(address);
        return read();
      });
    const status = await look(() => Promise.resolve(metrics));
    assert.deepEqual(asked, [{ host: '127.0.0.1', port: 9100 }]);
    assert.match(
      screen(status),
      /^activity {5}10 calls, 3 failed \(2 PullImage UNKNOWN, 1 ExecSync INTERNAL\), 3 sessions refused, 83 MiB of memory, 12 s of CPU time$/m,
    );
    const silent = await look(() => Promise.reject(new Error('connect ECONNREFUSED')));
    assert.match(screen(silent), /! its metrics cannot be read: connect ECONNREFUSED/);
    assert.equal(silent.ready, true);
  });

  it('is shown again until it is stopped, on a terminal over what was there', async () => {
    const stop = new AbortController();
    const written: string[] = [];
    const output = { isTTY: true, write: (text: string) => written.push(text) > 0 };
    const look = () => {
      if (written.length === 1) stop.abort();
      return Promise.resolve({
        ...SERVICE,
        config: { ...SERVICE.config, endpoint: { kind: 'unix' as const, path: '/nowhere/cri.sock' } },
      });
    };
    assert.equal(await showStatus(look, output, { stopped: stop.signal }), false);
    assert.equal(written.length, 2);
    assert.ok(written.every((text) => text.startsWith('\u001b[2J')));
  });

  it('has colours where they are wanted alone', async () => {
    const status = await statusOf(answers());
    assert.ok(screen(status, true).startsWith('\u001b[32m●\u001b[0m'));
    assert.ok(!screen(status).includes('\u001b'));
  });
});
