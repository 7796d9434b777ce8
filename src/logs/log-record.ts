import type { LogMessage } from '../docker/engine.js';

/** `2006-01-02T15:04:05.000000000Z`, as the Engine writes it. */
export const TIME_BYTES = 30;
/** The time and ` stdout F `: the names of the two streams are equally long. */
const HEADER_BYTES = TIME_BYTES + 10;
const TAG_AT = TIME_BYTES + 8;
const NEWLINE = 0x0a;
const FULL = 0x46;

const headers = {
  stdout: { full: Buffer.from(' stdout F '), partial: Buffer.from(' stdout P ') },
  stderr: { full: Buffer.from(' stderr F '), partial: Buffer.from(' stderr P ') },
} as const;
const HEADER_PATTERN = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [PF] $/;

/**
 * The messages as records of a CRI log, `time stream P|F text`, one a line. What has no newline is a part (P): the Engine
 * cuts lines after 16 KiB, and a container may end within a line. The text's bytes stay as they are.
 */
export function formatRecords(messages: readonly LogMessage[]): Buffer {
  const records = Buffer.allocUnsafe(messages.reduce((sum, message) => sum + recordBytes(message), 0));
  let at = 0;
  for (const { stream, bytes } of messages) {
    const full = isFull(bytes);
    const header = full ? headers[stream].full : headers[stream].partial;
    bytes.copy(records, at, 0, TIME_BYTES);
    header.copy(records, at + TIME_BYTES);
    at += HEADER_BYTES;
    at += bytes.copy(records, at, TIME_BYTES + 1);
    if (!full) records[at++] = NEWLINE;
  }
  return records;
}

/** Whether the message, as a record, is this one. */
export function isRecord(message: LogMessage, record: Buffer): boolean {
  return (
    record.length === recordBytes(message) &&
    record.compare(message.bytes, 0, TIME_BYTES, 0, TIME_BYTES) === 0 &&
    record.equals(formatRecords([message]))
  );
}

/** Whether the message's time is later than the record's. */
export function isYounger({ bytes }: LogMessage, record: Buffer): boolean {
  return bytes.compare(record, 0, TIME_BYTES, 0, TIME_BYTES) > 0;
}

/** The time and the stream of a record, such as `2006-01-02T15:04:05.000000000Z stdout`; undefined when it is no record. */
export function timeAndStream(record: Buffer): string | undefined {
  const header = record.toString('latin1', 0, HEADER_BYTES);
  return HEADER_PATTERN.test(header) ? header.slice(0, TAG_AT - 1) : undefined;
}

/** True for a record of a part (P) after which more of its line comes. */
export function isPart(record: Buffer): boolean {
  return record[TAG_AT] !== FULL;
}

function recordBytes({ bytes }: LogMessage): number {
  return bytes.length - TIME_BYTES - 1 + HEADER_BYTES + (isFull(bytes) ? 0 : 1);
}

function isFull(bytes: Buffer): boolean {
  return bytes[bytes.length - 1] === NEWLINE;
}
