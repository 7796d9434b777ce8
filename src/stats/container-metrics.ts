import type { ContainerRecord } from '../state/records.js';
import type { Cgroup } from './cgroup-figures.js';
import type { LayerSize } from './layer-sizes.js';
import type { InterfaceTraffic } from './net-dev.js';
import type { Census } from './process-census.js';
import type { MetricName } from './metric-descriptors.js';

/** Takes one value; undefined is left out. `labels` are the values of the metric's own labels, where it has some. */
export type AddMetric = (name: MetricName, value: number | undefined, labels?: readonly string[]) => void;

/** The filesystem that holds the writable layers. */
export interface LayerFilesystem {
  readonly device: string;
  readonly bytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

const NS_PER_SECOND = 1e9;
const MS_PER_SECOND = 1000;

/** What the kernel takes when a container sets nothing. */
const DEFAULT_CPU_PERIOD_US = 100_000;
const DEFAULT_CPU_SHARES = 1024;

export function addCpu(add: AddMetric, cgroup: Cgroup): void {
  const details = cgroup.cpuDetails();
  if (details === undefined) return;
  add('container_cpu_usage_seconds_total', details.usageNs / NS_PER_SECOND);
  add('container_cpu_user_seconds_total', details.userNs / NS_PER_SECOND);
  add('container_cpu_system_seconds_total', details.systemNs / NS_PER_SECOND);
  add('container_cpu_cfs_periods_total', details.periods);
  add('container_cpu_cfs_throttled_periods_total', details.throttledPeriods);
  add('container_cpu_cfs_throttled_seconds_total', details.throttledNs / NS_PER_SECOND);
}

export function addMemory(add: AddMetric, cgroup: Cgroup): void {
  const details = cgroup.memoryDetails();
  if (details === undefined) return;
  const { figures } = details;
  add('container_memory_usage_bytes', figures.usage);
  add('container_memory_working_set_bytes', figures.workingSet);
  add('container_memory_rss', figures.anonymous);
  add('container_memory_swap', figures.swap?.usage ?? 0);
  add('container_memory_cache', details.cache);
  add('container_memory_mapped_file', details.mappedFile);
  add('container_memory_total_active_file_bytes', details.activeFile);
  add('container_memory_total_inactive_file_bytes', details.inactiveFile);
  add('container_memory_kernel_usage', details.kernel);
  add('container_memory_max_usage_bytes', details.maxUsage);
  add('container_memory_failcnt', details.limitHits);
  add('container_oom_events_total', details.oomKills);
  add('container_memory_failures_total', details.ownPageFaults, ['pgfault', 'container']);
  add('container_memory_failures_total', figures.pageFaults, ['pgfault', 'hierarchy']);
  add('container_memory_failures_total', details.ownMajorPageFaults, ['pgmajfault', 'container']);
  add('container_memory_failures_total', figures.majorPageFaults, ['pgmajfault', 'hierarchy']);
}

/** `deviceName` tells the path of a block device from its numbers, as `/dev/sda` from `8:0`. */
export function addDevices(add: AddMetric, cgroup: Cgroup, deviceName: (device: string) => string): void {
  for (const traffic of cgroup.deviceTraffic()) {
    const [major = '', minor = ''] = traffic.device.split(':');
    const name = deviceName(traffic.device);
    const labels = [name];
    add('container_fs_reads_bytes_total', traffic.readBytes, labels);
    add('container_fs_reads_total', traffic.reads, labels);
    add('container_fs_writes_bytes_total', traffic.writtenBytes, labels);
    add('container_fs_writes_total', traffic.writes, labels);
    add('container_blkio_device_usage_total', traffic.readBytes, [name, major, minor, 'Read']);
    add('container_blkio_device_usage_total', traffic.writtenBytes, [name, major, minor, 'Write']);
  }
  for (const { size, usage, maxUsage } of cgroup.hugePages()) {
    const labels = [size];
    add('container_hugetlb_usage_bytes', usage, labels);
    add('container_hugetlb_max_usage_bytes', maxUsage, labels);
  }
}

export function addLayer(add: AddMetric, size: LayerSize | undefined, filesystem: LayerFilesystem): void {
  const labels = [filesystem.device];
  add('container_fs_usage_bytes', size?.bytes, labels);
  add('container_fs_limit_bytes', filesystem.bytes, labels);
  add('container_fs_inodes_total', filesystem.inodes, labels);
  add('container_fs_inodes_free', filesystem.inodesFree, labels);
}

const PRESSURE_METRICS = (['cpu', 'memory', 'io'] as const).map((resource) => ({
  resource,
  waiting: `container_pressure_${resource}_waiting_seconds_total` as const,
  stalled: `container_pressure_${resource}_stalled_seconds_total` as const,
}));

export function addPressure(add: AddMetric, cgroup: Cgroup): void {
  for (const { resource, waiting, stalled } of PRESSURE_METRICS) {
    const pressure = cgroup.pressure(resource);
    if (pressure === undefined) continue;
    const { some, full } = pressure;
    add(waiting, some.totalNs / NS_PER_SECOND);
    add(stalled, full && full.totalNs / NS_PER_SECOND);
  }
}

export function addProcesses(add: AddMetric, cgroup: Cgroup): void {
  add('container_processes', cgroup.processCount());
  add('container_threads', cgroup.threads());
  add('container_threads_max', cgroup.maxThreads() ?? 0);
}

export function addCensus(add: AddMetric, census: Census | undefined): void {
  add('container_file_descriptors', census?.descriptors);
  add('container_sockets', census?.sockets);
  add('container_ulimits_soft', census?.openFilesLimit, ['max_open_files']);
}

/** What the container was given, from its record. */
export function addSpec(add: AddMetric, { inspect, phase }: ContainerRecord, nowMs: number): void {
  const {
    CpuPeriod,
    CpuQuota = 0,
    CpuShares,
    Memory = 0,
    MemoryReservation = 0,
    MemorySwap = 0,
  } = inspect.HostConfig;
  add('container_spec_cpu_period', CpuPeriod || DEFAULT_CPU_PERIOD_US);
  if (CpuQuota > 0) add('container_spec_cpu_quota', CpuQuota);
  add('container_spec_cpu_shares', CpuShares || DEFAULT_CPU_SHARES);
  add('container_spec_memory_limit_bytes', Memory);
  add('container_spec_memory_reservation_limit_bytes', MemoryReservation);
  add('container_spec_memory_swap_limit_bytes', Math.max(0, MemorySwap));
  add('container_start_time_seconds', Number(phase.startedAtNs) / NS_PER_SECOND);
  add('container_last_seen', nowMs / MS_PER_SECOND);
}

export function addNetwork(add: AddMetric, interfaces: readonly InterfaceTraffic[]): void {
  for (const { name, received, sent } of interfaces) {
    const labels = [name];
    add('container_network_receive_bytes_total', received.bytes, labels);
    add('container_network_receive_packets_total', received.packets, labels);
    add('container_network_receive_errors_total', received.errors, labels);
    add('container_network_receive_packets_dropped_total', received.dropped, labels);
    add('container_network_transmit_bytes_total', sent.bytes, labels);
    add('container_network_transmit_packets_total', sent.packets, labels);
    add('container_network_transmit_errors_total', sent.errors, labels);
    add('container_network_transmit_packets_dropped_total', sent.dropped, labels);
  }
}
