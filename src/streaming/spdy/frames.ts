import { FrameType } from './frame-reader.js';

/** Why a stream is reset. Zero is no status: Go's reader drops the connection over it. */
export const ResetStatus = { PROTOCOL_ERROR: 1, INVALID_STREAM: 2, REFUSED_STREAM: 3, CANCEL: 5 } as const;

/** The header of a data frame with `length` bytes of payload. */
export function dataHeader(streamId: number, flags: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(8);
  header.writeUInt32BE(streamId, 0);
  header.writeUInt32BE(length, 4);
  header.writeUInt8(flags, 4);
  return header;
}

export function synReply(streamId: number, headerBlock: Buffer): Buffer {
  return control(FrameType.SYN_REPLY, Buffer.concat([words(streamId), headerBlock]));
}

export function rstStream(streamId: number, status: number): Buffer {
  return control(FrameType.RST_STREAM, words(streamId, status));
}

export function ping(id: number): Buffer {
  return control(FrameType.PING, words(id));
}

/** No more streams are taken; the last one that was, is named. */
export function goAway(lastStreamId: number): Buffer {
  return control(FrameType.GOAWAY, words(lastStreamId, 0));
}

function control(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(0x8003, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(payload.length, 4); // the flags, its first byte, stay 0
  return Buffer.concat([header, payload]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}
