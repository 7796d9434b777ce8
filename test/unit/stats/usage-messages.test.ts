import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  writeCpu,
  writeIo,
  writeLayer,
  writeMemory,
  writeNetwork,
  writeProcesses,
  writeSwap,
  type Usage,
} from '../../../src/stats/usage-messages.js';
import type { ContainerStats__Output } from '../../../src/gen/runtime/v1/ContainerStats.js';
import type { LinuxPodSandboxStats__Output } from '../../../src/gen/runtime/v1/LinuxPodSandboxStats.js';
import { EncodedReply } from '../../../src/util/encoded-reply.js';
import { WireWriter } from '../../../src/util/wire-writer.js';
import { serveCri } from '../../support/cri-fixture.js';

const AT_MS = 1_790_000_000_123;
const AT_NS = '1790000000123000064'; // nanoseconds as exactly as a JavaScript number has them
const line = (totalNs: number) => ({ avg10: 1.25, avg60: 0, avg300: 99.5, totalNs });
const lineMessage = (total: string) => ({ Total: total, Avg10: 1.25, Avg60: 0, Avg300: 99.5 });

const USAGE: Usage = {
  atMs: AT_MS,
  cpuNs: 2 ** 45 + 1,
  nanoCores: 127,
  memory: {
    usage: 2 ** 40,
    workingSet: 2 ** 39,
    limit: 2 ** 41,
    anonymous: 128,
    pageFaults: 0,
    majorPageFaults: 3,
    swap: { usage: 4096, limit: 0 },
  },
  pressure: {
    cpu: { some: line(7000), full: line(2 ** 35) },
    memory: undefined,
    io: { some: line(1), full: undefined },
  },
};

/** What a client reads of the one entry that holds these fields. */
async function readContainer(
  t: TestContext,
  write: (writer: WireWriter) => void,
): Promise<ContainerStats__Output> {
  const { client } = await serveCri(t, {
    runtime: {
      ListContainerStats: () => Promise.resolve(reply([1], write)),
    },
  });
  const [stats] = (await client.runtime.ListContainerStats({})).stats;
  assert.ok(stats);
  return stats;
}

async function readPod(
  t: TestContext,
  write: (writer: WireWriter) => void,
): Promise<LinuxPodSandboxStats__Output> {
  const { client } = await serveCri(t, {
    runtime: {
      ListPodSandboxStats: () => Promise.resolve(reply([1, 2], write)),
    },
  });
  const linux = (await client.runtime.ListPodSandboxStats({})).stats[0]?.linux;
  assert.ok(linux);
  return linux;
}

/** A reply with these fields, one inside of the other, and in the innermost what is written. */
function reply(path: readonly number[], write: (writer: WireWriter) => void): EncodedReply {
  const writer = new WireWriter();
  const bytes = writer.encode(() => {
    const starts = path.map((field) => writer.begin(field));
    write(writer);
    for (const start of starts.reverse()) writer.end(start);
  });
  return new EncodedReply(bytes);
}

describe('usage messages', () => {
  it('are what a client reads as the figures of a container', async (t) => {
    const stats = await readContainer(t, (writer) => {
      writeCpu(writer, 2, USAGE);
      writeMemory(writer, 3, USAGE);
      writeLayer(writer, 4, { atMs: AT_MS, bytes: 5, isWhole: true, inodes: 6 }, `/${'d'.repeat(200)}`);
      writeSwap(writer, 5, USAGE);
      writeIo(writer, 6, USAGE);
    });
    assert.deepEqual(stats.cpu, {
      timestamp: AT_NS,
      usage_core_nano_seconds: { value: String(2 ** 45 + 1) },
      usage_nano_cores: { value: '127' },
      psi: { Full: lineMessage(String(2 ** 35)), Some: lineMessage('7000') },
    });
    assert.deepEqual(stats.memory, {
      timestamp: AT_NS,
      working_set_bytes: { value: String(2 ** 39) },
      available_bytes: { value: String(2 ** 41 - 2 ** 39) },
      usage_bytes: { value: String(2 ** 40) },
      rss_bytes: { value: '128' },
      page_faults: { value: '0' },
      major_page_faults: { value: '3' },
      psi: null,
    });
    assert.deepEqual(stats.writable_layer, {
      timestamp: AT_NS,
      fs_id: { mountpoint: `/${'d'.repeat(200)}` },
      used_bytes: { value: '5' },
      inodes_used: { value: '6' },
    });
    const [swap_usage_bytes, swap_available_bytes] = [{ value: '4096' }, { value: '0' }];
    assert.deepEqual(stats.swap, { timestamp: AT_NS, swap_usage_bytes, swap_available_bytes });
    assert.deepEqual(stats.io, { timestamp: AT_NS, psi: { Full: null, Some: lineMessage('1') } });
  });

  it('leave out what is not known', async (t) => {
    const memory = { ...USAGE.memory, limit: undefined, swap: undefined };
    const pressure = { cpu: undefined, memory: undefined, io: undefined };
    const unknown = { ...USAGE, nanoCores: undefined, memory, pressure };
    const stats = await readContainer(t, (writer) => {
      writeCpu(writer, 2, unknown);
      writeMemory(writer, 3, unknown);
      writeLayer(writer, 4, undefined, '/');
      writeSwap(writer, 5, unknown);
      writeIo(writer, 6, unknown);
    });
    assert.deepEqual([stats.writable_layer, stats.swap, stats.io], [null, null, null]);
    assert.deepEqual([stats.cpu?.usage_nano_cores, stats.cpu?.psi], [null, null]);
    assert.equal(stats.memory?.available_bytes, null);
  });

  it('are what a client reads as the figures of a pod, with the interface of its address first', async (t) => {
    const traffic = (bytes: number) => ({ bytes, packets: 0, errors: 1, dropped: 0 });
    const interfaces = ['net1', 'eth0'].map((name, index) => ({
      name,
      received: traffic(index * 1000),
      sent: traffic(2 ** 33),
    }));
    const linux = await readPod(t, (writer) => {
      writeNetwork(writer, 3, interfaces, AT_MS);
      writeProcesses(writer, 4, 300, AT_MS);
    });
    const common = {
      rx_errors: { value: '1' },
      tx_bytes: { value: String(2 ** 33) },
      tx_errors: { value: '1' },
    };
    assert.deepEqual(linux.network, {
      timestamp: AT_NS,
      default_interface: { name: 'eth0', rx_bytes: { value: '1000' }, ...common },
      interfaces: [{ name: 'net1', rx_bytes: { value: '0' }, ...common }],
    });
    assert.deepEqual(linux.process, { timestamp: AT_NS, process_count: { value: '300' } });
    const none = await readPod(t, (writer) => writeNetwork(writer, 3, [], AT_MS));
    assert.equal(none.network, null);
  });
});
