import type { Cgroup } from './cgroup-figures.js';
import type { MemoryFigures } from './cgroup-figures.js';
import type { CpuRate } from './cpu-rate.js';
import type { LayerSize } from './layer-sizes.js';
import type { InterfaceTraffic } from './net-dev.js';
import type { Pressure, PressureLine } from './pressure.js';
import type { WireWriter } from '../util/wire-writer.js';

/** What one look at a cgroup tells. */
export interface Usage {
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly cpuNs: number;
  /** Undefined before there were two samples. */
  readonly nanoCores: number | undefined;
  readonly memory: MemoryFigures;
  /** Each undefined where the kernel does not tell. */
  readonly pressure: { readonly [Resource in 'cpu' | 'memory' | 'io']: Pressure | undefined };
}

/** Reads a cgroup; undefined when it is gone. */
export function readUsage(
  cgroup: Pick<Cgroup, 'cpuUsageNs' | 'memory' | 'pressure'>,
  rate: Pick<CpuRate, 'nanoCores'>,
): Usage | undefined {
  const cpuNs = cgroup.cpuUsageNs();
  const memory = cgroup.memory();
  if (cpuNs === undefined || memory === undefined) return undefined;
  return {
    atMs: Date.now(),
    cpuNs,
    nanoCores: rate.nanoCores({ atMs: performance.now(), usageNs: cpuNs }),
    memory,
    pressure: {
      cpu: cgroup.pressure('cpu'),
      memory: cgroup.pressure('memory'),
      io: cgroup.pressure('io'),
    },
  };
}

/** All messages below begin with it: when they were measured, in Unix nanoseconds. */
const TIMESTAMP_FIELD = 1;

const CPU_FIELDS = { usageCoreNanoSeconds: 2, usageNanoCores: 3, psi: 4 };

/** Writes a CpuUsage into `field`. */
export function writeCpu(writer: WireWriter, field: number, usage: Usage): void {
  const start = writer.begin(field);
  writeTimestamp(writer, usage.atMs);
  writer.wrapped(CPU_FIELDS.usageCoreNanoSeconds, usage.cpuNs);
  writer.wrapped(CPU_FIELDS.usageNanoCores, usage.nanoCores);
  writePsi(writer, CPU_FIELDS.psi, usage.pressure.cpu);
  writer.end(start);
}

const MEMORY_FIELDS = {
  workingSetBytes: 2,
  availableBytes: 3,
  usageBytes: 4,
  rssBytes: 5,
  pageFaults: 6,
  majorPageFaults: 7,
  psi: 8,
};

/** Writes a MemoryUsage into `field`. */
export function writeMemory(writer: WireWriter, field: number, { atMs, memory, pressure }: Usage): void {
  const { workingSet, limit } = memory;
  const start = writer.begin(field);
  writeTimestamp(writer, atMs);
  writer.wrapped(MEMORY_FIELDS.workingSetBytes, workingSet);
  writer.wrapped(MEMORY_FIELDS.availableBytes, limit && Math.max(0, limit - workingSet));
  writer.wrapped(MEMORY_FIELDS.usageBytes, memory.usage);
  writer.wrapped(MEMORY_FIELDS.rssBytes, memory.anonymous);
  writer.wrapped(MEMORY_FIELDS.pageFaults, memory.pageFaults);
  writer.wrapped(MEMORY_FIELDS.majorPageFaults, memory.majorPageFaults);
  writePsi(writer, MEMORY_FIELDS.psi, pressure.memory);
  writer.end(start);
}

const SWAP_FIELDS = { availableBytes: 2, usageBytes: 3 };

/** Writes a SwapUsage into `field`; nothing where the kernel does not account swap. */
export function writeSwap(writer: WireWriter, field: number, { atMs, memory: { swap } }: Usage): void {
  if (swap === undefined) return;
  const { usage, limit } = swap;
  const start = writer.begin(field);
  writeTimestamp(writer, atMs);
  writer.wrapped(SWAP_FIELDS.availableBytes, limit && Math.max(0, limit - usage));
  writer.wrapped(SWAP_FIELDS.usageBytes, usage);
  writer.end(start);
}

const IO_FIELDS = { psi: 2 };

/** Writes an IoUsage into `field`; nothing where the kernel does not tell. */
export function writeIo(writer: WireWriter, field: number, { atMs, pressure }: Usage): void {
  if (pressure.io === undefined) return;
  const start = writer.begin(field);
  writeTimestamp(writer, atMs);
  writePsi(writer, IO_FIELDS.psi, pressure.io);
  writer.end(start);
}

const LAYER_FIELDS = { fsId: 2, mountpoint: 1, usedBytes: 3, inodesUsed: 4 };

/** Writes the size of a writable layer as a FilesystemUsage into `field`; nothing while it is not known. */
export function writeLayer(
  writer: WireWriter,
  field: number,
  size: LayerSize | undefined,
  mountpoint: string,
): void {
  if (size === undefined) return;
  const start = writer.begin(field);
  writeTimestamp(writer, size.atMs);
  const fsId = writer.begin(LAYER_FIELDS.fsId);
  writer.text(LAYER_FIELDS.mountpoint, mountpoint);
  writer.end(fsId);
  writer.wrapped(LAYER_FIELDS.usedBytes, size.bytes);
  writer.wrapped(LAYER_FIELDS.inodesUsed, size.inodes);
  writer.end(start);
}

/** The interface that a pod's address is on, by the CNI's convention (`CNI_IFNAME`). */
const POD_INTERFACE = 'eth0';

const NETWORK_FIELDS = { defaultInterface: 2, interfaces: 3 };

/** Writes a NetworkUsage into `field`; nothing when there is no interface. */
export function writeNetwork(
  writer: WireWriter,
  field: number,
  interfaces: readonly InterfaceTraffic[],
  atMs: number,
): void {
  const main = interfaces.find(({ name }) => name === POD_INTERFACE) ?? interfaces[0];
  if (main === undefined) return;
  const start = writer.begin(field);
  writeTimestamp(writer, atMs);
  writeInterface(writer, NETWORK_FIELDS.defaultInterface, main);
  for (const other of interfaces) {
    if (other !== main) writeInterface(writer, NETWORK_FIELDS.interfaces, other);
  }
  writer.end(start);
}

const PROCESS_FIELDS = { processCount: 2 };

/** Writes a ProcessUsage into `field`. */
export function writeProcesses(writer: WireWriter, field: number, count: number, atMs: number): void {
  const start = writer.begin(field);
  writeTimestamp(writer, atMs);
  writer.wrapped(PROCESS_FIELDS.processCount, count);
  writer.end(start);
}

const INTERFACE_FIELDS = { name: 1, rxBytes: 2, rxErrors: 3, txBytes: 4, txErrors: 5 };

function writeInterface(writer: WireWriter, field: number, { name, received, sent }: InterfaceTraffic): void {
  const start = writer.begin(field);
  writer.text(INTERFACE_FIELDS.name, name);
  writer.wrapped(INTERFACE_FIELDS.rxBytes, received.bytes);
  writer.wrapped(INTERFACE_FIELDS.rxErrors, received.errors);
  writer.wrapped(INTERFACE_FIELDS.txBytes, sent.bytes);
  writer.wrapped(INTERFACE_FIELDS.txErrors, sent.errors);
  writer.end(start);
}

const PSI_FIELDS = { full: 1, some: 2 };

function writePsi(writer: WireWriter, field: number, pressure: Pressure | undefined): void {
  if (pressure === undefined) return;
  const { some, full } = pressure;
  const start = writer.begin(field);
  if (full !== undefined) writePressureLine(writer, PSI_FIELDS.full, full);
  writePressureLine(writer, PSI_FIELDS.some, some);
  writer.end(start);
}

const PRESSURE_FIELDS = { total: 1, avg10: 2, avg60: 3, avg300: 4 };

function writePressureLine(writer: WireWriter, field: number, line: PressureLine): void {
  const start = writer.begin(field);
  writer.number(PRESSURE_FIELDS.total, line.totalNs);
  writer.double(PRESSURE_FIELDS.avg10, line.avg10);
  writer.double(PRESSURE_FIELDS.avg60, line.avg60);
  writer.double(PRESSURE_FIELDS.avg300, line.avg300);
  writer.end(start);
}

const NS_PER_MS = 1_000_000;

function writeTimestamp(writer: WireWriter, atMs: number): void {
  writer.number(TIMESTAMP_FIELD, Math.trunc(atMs) * NS_PER_MS);
}
