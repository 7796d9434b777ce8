import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerAttributes } from '../../../src/cri/replies/container-messages.js';
import { METRICS, type MetricName } from '../../../src/stats/metric-descriptors.js';
import { encodeHeads, MetricSeries } from '../../../src/stats/metric-series.js';
import { StatsEntries } from '../../../src/stats/stats-entries.js';
import { MetricType } from '../../../src/gen/runtime/v1/MetricType.js';
import type { ContainerRecord } from '../../../src/state/records.js';
import { EncodedReply } from '../../../src/util/encoded-reply.js';
import { insideOf, WireWriter } from '../../../src/util/wire-writer.js';
import { protocol, serveCri } from '../../support/cri-fixture.js';

/** The names that critest (August 2026) expects; the fifth of them it lets a runtime leave out. */
const EXPECTED_BY_CRITEST = `blkio_device_usage_total cpu_cfs_periods_total cpu_cfs_throttled_periods_total
  cpu_cfs_throttled_seconds_total cpu_system_seconds_total cpu_usage_seconds_total cpu_user_seconds_total file_descriptors
  fs_inodes_free fs_inodes_total fs_limit_bytes fs_reads_bytes_total fs_reads_total fs_usage_bytes fs_writes_bytes_total
  fs_writes_total hugetlb_max_usage_bytes hugetlb_usage_bytes last_seen memory_cache memory_failcnt memory_failures_total
  memory_kernel_usage memory_mapped_file memory_max_usage_bytes memory_rss memory_swap memory_usage_bytes
  memory_working_set_bytes network_receive_bytes_total network_receive_errors_total
  network_receive_packets_dropped_total network_receive_packets_total network_transmit_bytes_total
  network_transmit_errors_total network_transmit_packets_dropped_total network_transmit_packets_total oom_events_total
  pressure_cpu_stalled_seconds_total pressure_cpu_waiting_seconds_total pressure_io_stalled_seconds_total
  pressure_io_waiting_seconds_total pressure_memory_stalled_seconds_total pressure_memory_waiting_seconds_total processes
  sockets spec_cpu_period spec_cpu_quota spec_cpu_shares spec_memory_limit_bytes spec_memory_reservation_limit_bytes
  spec_memory_swap_limit_bytes start_time_seconds threads threads_max ulimits_soft`;

describe('METRICS', () => {
  it('has every name that critest expects', () => {
    const names = EXPECTED_BY_CRITEST.split(/\s+/).map((name) => `container_${name}`);
    assert.equal(names.length, 56);
    assert.deepEqual(
      names.filter((name) => !Object.hasOwn(METRICS, name)),
      [],
    );
  });
});

describe('MetricSeries', () => {
  const written = (series: MetricSeries, name: MetricName, value?: number, labels: string[] = []): Buffer => {
    const writer = new WireWriter();
    return writer.encode(() => series.write(writer, name, value, labels));
  };

  it('encodes as the protobuf library does, for values of any size', () => {
    const common = ['pod', 'namespace', 'container', '/path', 'image'];
    const series = new MetricSeries(encodeHeads(), common);
    for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1]) {
      const name = 'container_fs_usage_bytes';
      const metric = { name, metric_type: MetricType.GAUGE, label_values: [...common, '/dev/sda'] };
      const expected = protocol.encodeReply('ListPodSandboxMetrics', {
        pod_metrics: [{ metrics: [{ ...metric, value: { value } }] }],
      });
      const bytes = written(series, name, value, ['/dev/sda']);
      // The library leaves zeros out, where here a 0 is written; to a reader they are the same.
      if (value > 0) assert.deepEqual(bytes, insideOf(expected), String(value));
    }
  });

  it('cuts fractions off and leaves out what is unknown or no number', () => {
    const series = new MetricSeries(encodeHeads(), []);
    assert.deepEqual(written(series, 'container_processes', 1.9), written(series, 'container_processes', 1));
    for (const value of [undefined, NaN, -1]) {
      assert.equal(written(series, 'container_processes', value).length, 0);
    }
  });
});

describe('StatsEntries', () => {
  it('joins attributes and figures to an entry', async (t) => {
    const record = {
      id: 'a'.repeat(64),
      metadata: { name: 'c', attempt: 2 },
      labels: { labels: { app: 'web' }, annotations: { note: 'n'.repeat(300) } },
    } as unknown as ContainerRecord;
    const entries = new StatsEntries<ContainerRecord>((container) =>
      insideOf(protocol.encodeReply('ListContainerStats', { stats: [containerAttributes(container)] })),
    );
    const write = (writer: WireWriter): void => {
      const cpu = writer.begin(2);
      writer.wrapped(2, 7);
      writer.end(cpu);
    };
    const both = [entries.entry(record, () => write), entries.entry({ ...record }, () => () => undefined)];
    const reply = entries.reply(both.filter((entry) => entry !== undefined));
    const { client } = await serveCri(t, {
      runtime: { ListContainerStats: () => Promise.resolve(new EncodedReply(reply)) },
    });
    const { stats } = await client.runtime.ListContainerStats({});
    assert.equal(stats.length, 2);
    assert.deepEqual(stats[0]?.attributes, { id: record.id, metadata: record.metadata, ...record.labels });
    assert.equal(stats[0].cpu?.usage_core_nano_seconds?.value, '7');
    assert.equal(stats[1]?.cpu, null);
    assert.equal(stats[1].attributes?.id, record.id);
  });

  it('measures once for calls in a row', () => {
    const entries = new StatsEntries(() => Buffer.alloc(0));
    let measured = 0;
    const measure = (): undefined => {
      measured += 1;
    };
    const record = {};
    for (let call = 0; call < 10; call += 1) assert.equal(entries.entry(record, measure, 60_000), undefined);
    assert.equal(measured, 1);
    entries.entry(record, measure);
    assert.equal(measured, 2);
  });
});
