/** Traffic of one interface since it was made. */
export interface InterfaceTraffic {
  readonly name: string;
  readonly received: Traffic;
  readonly sent: Traffic;
}

export interface Traffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

const LOOPBACK = 'lo';

/** A name, which may hold a colon, and of both halves of the columns the first four: bytes, packets, errs, drop. */
const LINE = /^ *(\S+): *(\d+) +(\d+) +(\d+) +(\d+) +\d+ +\d+ +\d+ +\d+ +(\d+) +(\d+) +(\d+) +(\d+)/gm;

/** The interfaces of /proc/<pid>/net/dev, in the file's order, without loopback. */
export function parseNetDev(text: string): InterfaceTraffic[] {
  const interfaces: InterfaceTraffic[] = [];
  for (const columns of text.matchAll(LINE)) {
    const name = columns[1] ?? '';
    if (name === LOOPBACK) continue;
    interfaces.push({ name, received: traffic(columns, 2), sent: traffic(columns, 6) });
  }
  return interfaces;
}

function traffic(columns: readonly string[], from: number): Traffic {
  return {
    bytes: Number(columns[from]),
    packets: Number(columns[from + 1]),
    errors: Number(columns[from + 2]),
    dropped: Number(columns[from + 3]),
  };
}
