import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { NamespaceMode } from '../../../src/gen/runtime/v1/NamespaceMode.js';
import { _runtime_v1_SecurityProfile_ProfileType as ProfileType } from '../../../src/gen/runtime/v1/SecurityProfile.js';
import { SupplementalGroupsPolicy } from '../../../src/gen/runtime/v1/SupplementalGroupsPolicy.js';
import { noEngine } from '../../support/cridock-process.js';
import {
  CAPABILITIES,
  cgroupValue,
  hasCapability,
  identityOf,
  mountsOf,
  namespaceOf,
  oomScoreAdjOf,
  statusOf,
} from '../../support/process-truth.js';
import { TestNode, type TestPod } from '../../support/test-node.js';

const RUNS = Number(process.env['CRIDOCK_TEST_RUNS'] ?? 40);
const MIB = 1024 * 1024;
/** Docker's default set, as far as tests know names. */
const DEFAULTS = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'NET_BIND_SERVICE', 'NET_RAW', 'SYS_CHROOT', 'MKNOD', 'AUDIT_WRITE', 'SETFCAP']; // prettier-ignore
const PATHS = ['/etc', '/proc/sys', '/proc/version', '/proc/keys', '/sys/firmware', '/tmp'];

const names = fc.subarray([...Object.keys(CAPABILITIES), 'ALL'], { maxLength: 4 });
const id = fc.integer({ min: 1, max: 100_000 });
const asked = fc.record({
  add: names,
  drop: names,
  prefixed: fc.boolean(),
  privileged: fc.boolean(),
  noNewPrivs: fc.boolean(),
  readonlyRootfs: fc.boolean(),
  masked: fc.subarray(PATHS),
  readonly: fc.subarray(PATHS),
  seccomp: fc.constantFrom('default', 'unconfined', 'localhost', 'none'),
  pid: fc.constantFrom(NamespaceMode.POD, NamespaceMode.CONTAINER),
  ipc: fc.constantFrom(NamespaceMode.POD, NamespaceMode.CONTAINER),
  uid: fc.option(id),
  gid: fc.option(id),
  groups: fc.array(id, { maxLength: 3 }),
  strict: fc.boolean(),
  memoryMib: fc.constantFrom(0, 3, 5, 6, 64),
  cpuShares: fc.constantFrom(0, 2, 512),
  cpuQuota: fc.constantFrom(0, 1000, 30_000),
  oomScoreAdj: fc.integer({ min: 0, max: 1000 }),
  readonlyMount: fc.boolean(),
});
type Asked = typeof asked extends fc.Arbitrary<infer T> ? T : never;

/** What a container really has must never be weaker than what its request asked for. */
describe('confinement of containers with random security contexts', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  let profile: string;
  let noMaskedProcSys: string | undefined;

  before(async () => {
    node = await TestNode.start(['--log-level=info']);
    pod = await node.pod({ linux: { security_context: { privileged: true } } });
    noMaskedProcSys = await node.noMaskedProcSys();
    profile = join(node.cridock.directory, 'profile.json');
    await writeFile(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW' }));
  });
  after(async () => {
    await node.close();
  });

  it(`holds for ${RUNS} of them`, async () => {
    await fc.assert(
      fc.asyncProperty(asked, async (drawn) => {
        const wanted = possible(drawn);
        const { id: containerId, pid } = await node.start(pod, request(wanted));
        try {
          assertConfined(wanted, pid);
          await assertToldTruly(wanted, containerId, pid);
        } finally {
          await node.runtime.RemoveContainer({ container_id: containerId });
        }
      }),
      { numRuns: RUNS, seed: Number(process.env['CRIDOCK_TEST_SEED'] ?? 3), endOnFailure: true },
    );
  });

  /** Without what no runtime could start here. */
  function possible(drawn: Asked): Asked {
    const wanted = node.noAllCapabilities === undefined ? drawn : withoutAll(drawn);
    if (noMaskedProcSys === undefined) return wanted;
    return { ...wanted, masked: wanted.masked.filter((path) => path !== '/proc/sys') };
  }

  function request(wanted: Asked) {
    const prefix = (name: string): string => (wanted.prefixed && name !== 'ALL' ? `CAP_${name}` : name);
    return {
      security: {
        capabilities: {
          add_capabilities: wanted.add.map(prefix),
          drop_capabilities: wanted.drop.map(prefix),
        },
        privileged: wanted.privileged,
        no_new_privs: wanted.noNewPrivs,
        readonly_rootfs: wanted.readonlyRootfs,
        masked_paths: wanted.masked,
        readonly_paths: wanted.readonly,
        namespace_options: { network: NamespaceMode.POD, pid: wanted.pid, ipc: wanted.ipc },
        supplemental_groups: wanted.groups.map(String),
        supplemental_groups_policy: wanted.strict
          ? SupplementalGroupsPolicy.Strict
          : SupplementalGroupsPolicy.Merge,
        ...(wanted.uid !== null && { run_as_user: { value: wanted.uid } }),
        ...(wanted.uid !== null && wanted.gid !== null && { run_as_group: { value: wanted.gid } }),
        ...seccomp(wanted),
      },
      resources: {
        memory_limit_in_bytes: wanted.memoryMib * MIB,
        cpu_shares: wanted.cpuShares,
        cpu_quota: wanted.cpuQuota,
        cpu_period: 100_000,
        oom_score_adj: wanted.oomScoreAdj,
      },
      mounts: [
        { host_path: node.cridock.directory, container_path: '/mounted', readonly: wanted.readonlyMount },
      ],
    };
  }

  function seccomp({ seccomp: kind }: Asked) {
    if (kind === 'none') return {};
    if (kind === 'localhost')
      return { seccomp: { profile_type: ProfileType.Localhost, localhost_ref: profile } };
    return {
      seccomp: { profile_type: kind === 'default' ? ProfileType.RuntimeDefault : ProfileType.Unconfined },
    };
  }

  function assertConfined(wanted: Asked, pid: number): void {
    const status = statusOf(pid);
    const mounts = mountsOf(pid);
    if (!wanted.privileged) {
      for (const name of Object.keys(CAPABILITIES)) {
        assert.ok(!hasCapability(pid, name) || isAllowed(wanted, name), `capability ${name}`);
      }
      if (wanted.seccomp === 'default' || wanted.seccomp === 'localhost')
        assert.equal(status.get('Seccomp'), '2');
      for (const path of wanted.masked.filter(
        (entry) => entry !== '/proc/keys' && entry !== '/sys/firmware',
      )) {
        const mount = mounts.get(path);
        assert.ok(mount, `${path} is masked`);
      }
      for (const path of wanted.readonly.filter((entry) => ['/etc', '/proc/sys', '/tmp'].includes(entry))) {
        assert.ok(mounts.get(path)?.options.includes('ro'), `${path} is read-only`);
      }
    }
    assert.equal(status.get('NoNewPrivs') === '1', wanted.noNewPrivs, 'no_new_privs');
    if (wanted.readonlyRootfs) assert.ok(mounts.get('/')?.options.includes('ro'), 'readonly_rootfs');
    if (wanted.readonlyMount) assert.ok(mounts.get('/mounted')?.options.includes('ro'), 'readonly mount');
    for (const [kind, mode] of [
      ['pid', wanted.pid],
      ['ipc', wanted.ipc],
    ] as const) {
      const isPods = namespaceOf(pid, kind) === namespaceOf(pod.pid, kind);
      assert.equal(isPods, mode === NamespaceMode.POD, `${kind} namespace`);
      assert.notEqual(namespaceOf(pid, kind), namespaceOf('self', kind), `${kind} namespace of the host`);
    }
    if (wanted.memoryMib > 0) {
      assert.equal(cgroupValue(pid, 'memory.limit_in_bytes'), String(wanted.memoryMib * MIB));
      assert.equal(cgroupValue(pid, 'memory.memsw.limit_in_bytes'), String(wanted.memoryMib * MIB));
    }
    if (wanted.cpuShares > 0) assert.equal(cgroupValue(pid, 'cpu.shares'), String(wanted.cpuShares));
    if (wanted.cpuQuota > 0) assert.equal(cgroupValue(pid, 'cpu.cfs_quota_us'), String(wanted.cpuQuota));
    assert.equal(oomScoreAdjOf(pid), wanted.oomScoreAdj);
  }

  async function assertToldTruly(wanted: Asked, containerId: string, pid: number): Promise<void> {
    const real = identityOf(pid);
    const gid = wanted.uid === null ? 0 : (wanted.gid ?? 0);
    assert.deepEqual([real.uid, real.gid], [wanted.uid ?? 0, gid]);
    const groups = [...new Set([gid, ...wanted.groups])].sort((a, b) => a - b);
    assert.deepEqual(
      [...new Set([gid, ...real.groups])].sort((a, b) => a - b),
      groups,
      'groups',
    );
    const user = (await node.status(containerId)).user?.linux;
    assert.deepEqual(
      (user?.supplemental_groups ?? []).map(Number).sort((a, b) => a - b),
      groups,
    );
  }
});

/** For machines on which no container can have all capabilities. */
function withoutAll(wanted: Asked): Asked {
  return { ...wanted, privileged: false, add: wanted.add.filter((name) => name !== 'ALL') };
}

/** Added, or among the defaults, and not dropped. A drop of ALL spares those that are added by name. */
function isAllowed({ add, drop }: Asked, name: string): boolean {
  if (drop.includes(name)) return false;
  if (add.includes(name)) return true;
  return !drop.includes('ALL') && (add.includes('ALL') || DEFAULTS.includes(name));
}
