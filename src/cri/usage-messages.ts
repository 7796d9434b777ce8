import type { CpuUsage } from '../gen/runtime/v1/CpuUsage.js';
import type { FilesystemUsage } from '../gen/runtime/v1/FilesystemUsage.js';
import type { IoUsage } from '../gen/runtime/v1/IoUsage.js';
import type { MemoryUsage } from '../gen/runtime/v1/MemoryUsage.js';
import type { NetworkInterfaceUsage } from '../gen/runtime/v1/NetworkInterfaceUsage.js';
import type { NetworkUsage } from '../gen/runtime/v1/NetworkUsage.js';
import type { PsiData } from '../gen/runtime/v1/PsiData.js';
import type { PsiStats } from '../gen/runtime/v1/PsiStats.js';
import type { SwapUsage } from '../gen/runtime/v1/SwapUsage.js';
import type { Cgroup, MemoryFigures } from '../stats/cgroup.js';
import type { CpuRate } from '../stats/cpu-rate.js';
import type { LayerSize } from '../stats/layer-sizes.js';
import type { InterfaceTraffic } from '../stats/net-dev.js';
import type { Pressure, PressureLine } from '../stats/pressure.js';

/** Nanoseconds of a time in Unix milliseconds, as proto's int64. */
export function timestampNs(atMs: number): string {
  return `${Math.trunc(atMs)}000000`;
}

/** CPU use in CRI's words; undefined when the cgroup is gone. */
export function cpuUsage(
  cgroup: Pick<Cgroup, 'cpuUsageNs' | 'pressure'>,
  rate: Pick<CpuRate, 'nanoCores'>,
): CpuUsage | undefined {
  const usageNs = cgroup.cpuUsageNs();
  if (usageNs === undefined) return undefined;
  const nanoCores = rate.nanoCores({ atMs: performance.now(), usageNs });
  return {
    timestamp: timestampNs(Date.now()),
    usage_core_nano_seconds: { value: usageNs },
    usage_nano_cores: nanoCores === undefined ? null : { value: nanoCores },
    psi: psi(cgroup.pressure('cpu')),
  };
}

/** Memory use in CRI's words. */
export function memoryUsage(figures: MemoryFigures, pressure: Pressure | undefined): MemoryUsage {
  const { workingSet, limit } = figures;
  return {
    timestamp: timestampNs(Date.now()),
    working_set_bytes: { value: workingSet },
    available_bytes: limit === undefined ? null : { value: Math.max(0, limit - workingSet) },
    usage_bytes: { value: figures.usage },
    rss_bytes: { value: figures.anonymous },
    page_faults: { value: figures.pageFaults },
    major_page_faults: { value: figures.majorPageFaults },
    psi: psi(pressure),
  };
}

/** Swap use in CRI's words; null where the kernel does not account it. */
export function swapUsage({ swap }: MemoryFigures): SwapUsage | null {
  if (swap === undefined) return null;
  const { usage, limit } = swap;
  return {
    timestamp: timestampNs(Date.now()),
    swap_usage_bytes: { value: usage },
    swap_available_bytes: limit === undefined ? null : { value: Math.max(0, limit - usage) },
  };
}

/** Waiting for devices in CRI's words; null where the kernel does not tell. */
export function ioUsage(pressure: Pressure | undefined): IoUsage | null {
  return pressure === undefined ? null : { timestamp: timestampNs(Date.now()), psi: psi(pressure) };
}

/** The size of a writable layer in CRI's words; null while it is not known. */
export function layerUsage(size: LayerSize | undefined, mountpoint: string): FilesystemUsage | null {
  if (size === undefined) return null;
  return {
    timestamp: timestampNs(size.atMs),
    fs_id: { mountpoint },
    used_bytes: { value: size.bytes },
    inodes_used: { value: size.inodes },
  };
}

/** The interface that a pod's address is on, by the CNI's convention (`CNI_IFNAME`). */
const POD_INTERFACE = 'eth0';

/** Traffic in CRI's words; null when there is no interface. */
export function networkUsage(interfaces: readonly InterfaceTraffic[]): NetworkUsage | null {
  const main = interfaces.find(({ name }) => name === POD_INTERFACE) ?? interfaces[0];
  if (main === undefined) return null;
  return {
    timestamp: timestampNs(Date.now()),
    default_interface: interfaceUsage(main),
    interfaces: interfaces.filter((other) => other !== main).map(interfaceUsage),
  };
}

function interfaceUsage({ name, received, sent }: InterfaceTraffic): NetworkInterfaceUsage {
  return {
    name,
    rx_bytes: { value: received.bytes },
    rx_errors: { value: received.errors },
    tx_bytes: { value: sent.bytes },
    tx_errors: { value: sent.errors },
  };
}

function psi(pressure: Pressure | undefined): PsiStats | null {
  if (pressure === undefined) return null;
  return { Some: psiData(pressure.some), Full: pressure.full === undefined ? null : psiData(pressure.full) };
}

function psiData({ totalNs, avg10, avg60, avg300 }: PressureLine): PsiData {
  return { Total: totalNs, Avg10: avg10, Avg60: avg60, Avg300: avg300 };
}
