import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { updateContainerResources } from '../../../../src/cri/container/update-resources.js';
import type { UpdateResourcesDeps } from '../../../../src/cri/container/update-resources.js';
import type { UpdateContainerResourcesRequest__Output } from '../../../../src/gen/runtime/v1/UpdateContainerResourcesRequest.js';
import { heldLimitsStore } from '../../../../src/limits/node-limits.js';
import { hostPaths } from '../../../../src/node/host-paths.js';
import type { Mirror } from '../../../../src/state/mirror.js';
import { Code } from '../../../../src/util/cri-error.js';
import { KeyedMutex } from '../../../../src/util/keyed-mutex.js';
import { silentLogger } from '../../../../src/util/log.js';
import { podResourcesStore } from '../../../../src/state/pod-resources.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { idleNri } from '../../../support/nri-runtime.js';
import { mirrorOf } from '../../../support/mirror-parts.js';

const MIB = 1024 * 1024;
const LABELS = {
  'io.kubernetes.docker.type': 'container',
  'io.kubernetes.container.name': 'c',
  'io.kubernetes.sandbox.id': 'a'.repeat(64),
};

/** The kernel takes a limit below the present use there, and kills for it. */
describe('UpdateContainerResources on cgroup v2', () => {
  const engine = new FakeEngine();
  let root: string;
  let mirror: Mirror;
  let deps: UpdateResourcesDeps;
  let id: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'cridock-update-'));
    engine.addImage('a:1');
    mirror = mirrorOf(engine);
    mirror.start();
    const heldLimits = heldLimitsStore(root, silentLogger);
    await heldLimits.prepare();
    deps = {
      engine,
      heldLimits,
      mirror,
      log: silentLogger,
      podLocks: new KeyedMutex(),
      hostPaths: hostPaths(),
      nri: idleNri(),
      podResources: podResourcesStore(root, silentLogger),
      settings: { minOomScoreAdj: 0 } as UpdateResourcesDeps['settings'],
    };
  });
  after(async () => {
    await mirror.stop();
    await rm(root, { recursive: true });
  });
  beforeEach(async () => {
    const HostConfig = {
      NetworkMode: `container:${LABELS['io.kubernetes.sandbox.id']}`,
      Memory: 64 * MIB,
      MemorySwap: 64 * MIB,
    };
    id = await engine.createContainer('k8s_c_p_ns_uid_0', { Image: 'a:1', Labels: LABELS, HostConfig });
    await engine.startContainer(id);
    const record = await mirror.refresh(id);
    await layOut(record?.pid ?? 0);
  });
  afterEach(async () => {
    await engine.removeContainer(id);
    await mirror.refresh(id);
  });

  /** As the kernel shows the container's cgroup: it uses 30 MiB, 20 of them for caches. */
  async function layOut(pid: number): Promise<void> {
    const cgroup = join(root, `cgroup/kubepods.slice/docker-${id}.scope`);
    for (const folder of [cgroup, join(root, 'proc/self'), join(root, `proc/${pid}`)])
      await mkdir(folder, { recursive: true });
    await writeFile(join(root, `proc/${pid}/cgroup`), `0::/kubepods.slice/docker-${id}.scope\n`);
    const mounts = `35 24 0:30 / ${join(root, 'cgroup')} rw shared:9 - cgroup2 cgroup2 rw\n`;
    await writeFile(join(root, 'proc/self/mountinfo'), mounts);
    await writeFile(join(cgroup, 'memory.current'), `${30 * MIB}\n`);
    const stat = { anon: 9, file: 17, inactive_file: 12, active_file: 5, slab_reclaimable: 3, shmem: 0 };
    const lines = Object.entries(stat).map(([name, mib]) => `${name} ${mib * MIB}\n`);
    await writeFile(join(cgroup, 'memory.stat'), lines.join(''));
  }
  const update = async (bytes: number): Promise<number | undefined> => {
    const linux = {
      ...{
        cpu_period: '0',
        cpu_quota: '0',
        cpu_shares: '0',
        oom_score_adj: '0',
        cpuset_cpus: '',
        cpuset_mems: '',
      },
      ...{
        memory_limit_in_bytes: String(bytes),
        memory_swap_limit_in_bytes: '0',
        hugepage_limits: [],
        unified: {},
      },
    };
    const request: UpdateContainerResourcesRequest__Output = {
      container_id: id,
      linux,
      windows: null,
      annotations: {},
    };
    const ctx = { rpc: 'UpdateContainerResources', signal: new AbortController().signal, log: silentLogger };
    await updateContainerResources(deps, request, ctx, { proc: join(root, 'proc') });
    return (await engine.inspectContainer(id)).HostConfig.Memory;
  };

  it('refuses a limit below the use without caches, and changes nothing', async () => {
    for (const bytes of [200_000, 8 * MIB, 10 * MIB]) {
      await assert.rejects(update(bytes), {
        code: Code.FAILED_PRECONDITION,
        message: new RegExp(`^linux\\.memory_limit_in_bytes: container ${id} uses ${10 * MIB} bytes`),
      });
    }
    assert.equal((await engine.inspectContainer(id)).HostConfig.Memory, 64 * MIB);
    assert.deepEqual([...deps.heldLimits.ids()], []);
  });

  it('takes one that giving back caches makes room for, and any higher one', async () => {
    assert.equal(await update(11 * MIB), 11 * MIB);
    assert.equal(await update(20 * MIB), 20 * MIB);
  });

  it('takes any where the use cannot be read', async () => {
    await rm(join(root, 'cgroup'), { recursive: true });
    assert.equal(await update(8 * MIB), 8 * MIB);
  });
});
