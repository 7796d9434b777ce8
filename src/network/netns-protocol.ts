/** The argument with which cridock, where it is one executable file, starts as the helper. */
export const NETNS_HELPER = 'netns-helper';

/**
 * To the helper process: connect to this port, in the network namespace that this process is in and that has this number.
 * The small helper reads exactly these members in this order.
 */
export interface DialRequest {
  readonly id: number;
  readonly pid: number;
  readonly inode: number;
  readonly port: number;
}

/** From the helper: the connection comes along with it, or the reason why there is none. */
export interface DialReply {
  readonly id: number;
  readonly error?: string;
}

export function isDialRequest(message: unknown): message is DialRequest {
  return isRecord(message) && typeof message['id'] === 'number' && typeof message['port'] === 'number';
}

export function isDialReply(message: unknown): message is DialReply {
  return isRecord(message) && typeof message['id'] === 'number';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
