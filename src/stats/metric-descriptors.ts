import { MetricType, type MetricType__Output } from '../gen/runtime/v1/MetricType.js';

/** What a metric is. Values are whole numbers, in the unit that the name ends with. */
export interface MetricDefinition {
  readonly type: MetricType__Output;
  readonly help: string;
  /** Label keys after those that all metrics have. */
  readonly labels: readonly string[];
}

/** The label keys of every metric: names by which the kubelet's /metrics/cadvisor knew them too. */
export const COMMON_LABELS = ['pod', 'namespace', 'container', 'id', 'image'] as const;

const { COUNTER, GAUGE } = MetricType;

/** The metrics of ListPodSandboxMetrics, by the names of cAdvisor that dashboards and alerts are made for. */
export const METRICS = {
  container_blkio_device_usage_total: counter('Bytes read from and written to block devices.', [
    'device',
    'major',
    'minor',
    'operation',
  ]),
  container_cpu_cfs_periods_total: counter('Periods in which the CPU quota was enforced.'),
  container_cpu_cfs_throttled_periods_total: counter('Periods in which the CPU quota was used up.'),
  container_cpu_cfs_throttled_seconds_total: counter('Time for which tasks waited for the CPU quota.'),
  container_cpu_system_seconds_total: counter('CPU time in the kernel.'),
  container_cpu_usage_seconds_total: counter('CPU time.'),
  container_cpu_user_seconds_total: counter('CPU time outside the kernel.'),
  container_file_descriptors: gauge('Open file descriptors of all processes.'),
  container_fs_inodes_free: gauge('Free inodes of the filesystem with the writable layer.', ['device']),
  container_fs_inodes_total: gauge('Inodes of the filesystem with the writable layer.', ['device']),
  container_fs_limit_bytes: gauge('Size of the filesystem with the writable layer.', ['device']),
  container_fs_reads_bytes_total: counter('Bytes read from block devices.', ['device']),
  container_fs_reads_total: counter('Reads from block devices.', ['device']),
  container_fs_usage_bytes: gauge('Bytes that the writable layer takes.', ['device']),
  container_fs_writes_bytes_total: counter('Bytes written to block devices.', ['device']),
  container_fs_writes_total: counter('Writes to block devices.', ['device']),
  container_hugetlb_max_usage_bytes: gauge('Most bytes in huge pages so far.', ['pagesize']),
  container_hugetlb_usage_bytes: gauge('Bytes in huge pages.', ['pagesize']),
  container_last_seen: gauge('When the container was last measured, Unix seconds.'),
  container_memory_cache: gauge('Bytes of page cache.'),
  container_memory_failcnt: counter('Times that the memory limit was hit.'),
  container_memory_failures_total: counter('Page faults.', ['failure_type', 'scope']),
  container_memory_kernel_usage: gauge('Bytes that the kernel uses for the container.'),
  container_memory_mapped_file: gauge('Bytes of files mapped into memory.'),
  container_memory_max_usage_bytes: gauge('Most bytes of memory so far.'),
  container_memory_rss: gauge('Bytes of anonymous memory.'),
  container_memory_swap: gauge('Bytes in swap.'),
  container_memory_total_active_file_bytes: gauge('Bytes of files that were used lately.'),
  container_memory_total_inactive_file_bytes: gauge('Bytes of files that were not used lately.'),
  container_memory_usage_bytes: gauge('Bytes of memory with page cache.'),
  container_memory_working_set_bytes: gauge('Bytes of memory without the inactive page cache.'),
  container_network_receive_bytes_total: counter('Bytes received.', ['interface']),
  container_network_receive_errors_total: counter('Errors while receiving.', ['interface']),
  container_network_receive_packets_dropped_total: counter('Packets dropped while receiving.', ['interface']),
  container_network_receive_packets_total: counter('Packets received.', ['interface']),
  container_network_transmit_bytes_total: counter('Bytes sent.', ['interface']),
  container_network_transmit_errors_total: counter('Errors while sending.', ['interface']),
  container_network_transmit_packets_dropped_total: counter('Packets dropped while sending.', ['interface']),
  container_network_transmit_packets_total: counter('Packets sent.', ['interface']),
  container_oom_events_total: counter('Processes that were killed for lack of memory.'),
  container_pressure_cpu_stalled_seconds_total: counter('Time in which all tasks waited for a CPU.'),
  container_pressure_cpu_waiting_seconds_total: counter('Time in which tasks waited for a CPU.'),
  container_pressure_io_stalled_seconds_total: counter('Time in which all tasks waited for a device.'),
  container_pressure_io_waiting_seconds_total: counter('Time in which tasks waited for a device.'),
  container_pressure_memory_stalled_seconds_total: counter('Time in which all tasks waited for memory.'),
  container_pressure_memory_waiting_seconds_total: counter('Time in which tasks waited for memory.'),
  container_processes: gauge('Processes.'),
  container_sockets: gauge('Open sockets of all processes.'),
  container_spec_cpu_period: gauge('Period of the CPU quota in microseconds.'),
  container_spec_cpu_quota: gauge('CPU quota in microseconds a period.'),
  container_spec_cpu_shares: gauge('CPU shares.'),
  container_spec_memory_limit_bytes: gauge('Memory limit; 0 for none.'),
  container_spec_memory_reservation_limit_bytes: gauge('Memory that is not reclaimed first; 0 for none.'),
  container_spec_memory_swap_limit_bytes: gauge('Limit of memory and swap together; 0 for none.'),
  container_start_time_seconds: gauge('When the container was started, Unix seconds.'),
  container_threads: gauge('Threads.'),
  container_threads_max: gauge('Limit of threads; 0 for none.'),
  container_ulimits_soft: gauge('Soft limits of the main process.', ['ulimit']),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;

function counter(help: string, labels: readonly string[] = []): MetricDefinition {
  return { type: COUNTER, help, labels };
}

function gauge(help: string, labels: readonly string[] = []): MetricDefinition {
  return { type: GAUGE, help, labels };
}
