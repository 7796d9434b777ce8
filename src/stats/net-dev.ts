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

/** The interfaces of /proc/<pid>/net/dev, in the file's order, without loopback. */
export function parseNetDev(text: string): InterfaceTraffic[] {
  const interfaces: InterfaceTraffic[] = [];
  for (const line of text.split('\n').slice(2)) {
    const colon = line.lastIndexOf(':'); // a name may hold one, the numbers do not
    const name = line.slice(0, colon).trim();
    if (colon === -1 || name === LOOPBACK) continue;
    const columns = line
      .slice(colon + 1)
      .trim()
      .split(/ +/)
      .map(Number);
    interfaces.push({ name, received: traffic(columns, 0), sent: traffic(columns, 8) });
  }
  return interfaces;
}

/** Both halves of a line begin with bytes, packets, errs, drop. */
function traffic(columns: number[], from: number): Traffic {
  const [bytes = 0, packets = 0, errors = 0, dropped = 0] = columns.slice(from, from + 4);
  return { bytes, packets, errors, dropped };
}
