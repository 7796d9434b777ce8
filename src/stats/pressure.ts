/** One line of a PSI file (kernel: Documentation/accounting/psi.rst). */
export interface PressureLine {
  /** Percent of the last 10 s, minute and 5 min. */
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  /** Nanoseconds; the file has microseconds. */
  readonly totalNs: number;
}

/** Pressure Stall Information of a cgroup on one resource. */
export interface Pressure {
  /** At least one task waited. */
  readonly some: PressureLine;
  /** All tasks waited; older kernels have no such line for the CPU. */
  readonly full: PressureLine | undefined;
}

/** Reads cpu.pressure, memory.pressure or io.pressure. Undefined for no file and for one without the `some` line. */
export function parsePressure(text: string | undefined): Pressure | undefined {
  if (text === undefined) return undefined;
  const some = lineOf(text, 'some');
  return some && { some, full: lineOf(text, 'full') };
}

const LINES = {
  some: /^some avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/m,
  full: /^full avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/m,
};

function lineOf(text: string, kind: keyof typeof LINES): PressureLine | undefined {
  const match = LINES[kind].exec(text);
  if (match === null) return undefined;
  return {
    avg10: Number(match[1]),
    avg60: Number(match[2]),
    avg300: Number(match[3]),
    totalNs: Number(match[4]) * 1000,
  };
}
