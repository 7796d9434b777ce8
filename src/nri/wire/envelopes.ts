import protobuf from 'protobufjs';
import type { Type } from 'protobufjs';

/** What a ttrpc request holds: the call, and its message encoded. */
export interface RequestEnvelope {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Nanoseconds, as a text; '0' for none. */
  readonly timeout_nano: string;
}

/** What a ttrpc response holds; no status, or its code 0, means success. */
export interface ResponseEnvelope {
  readonly status: { readonly code: number; readonly message: string } | null;
  readonly payload: Uint8Array;
}

const DECODED = { longs: String, defaults: true } as const;

const Request = new protobuf.Type('Request')
  .add(new protobuf.Field('service', 1, 'string'))
  .add(new protobuf.Field('method', 2, 'string'))
  .add(new protobuf.Field('payload', 3, 'bytes'))
  .add(new protobuf.Field('timeout_nano', 4, 'int64'));
const Response = new protobuf.Type('Response')
  .add(
    new protobuf.Type('Status')
      .add(new protobuf.Field('code', 1, 'int32'))
      .add(new protobuf.Field('message', 2, 'string')),
  )
  .add(new protobuf.Field('status', 1, 'Status'))
  .add(new protobuf.Field('payload', 2, 'bytes'));

/** The codec of ttrpc's envelopes. Decoding throws an Error for what is none. */
export const envelopes = {
  encodeRequest: (request: RequestEnvelope): Buffer => encoded(Request, request),
  decodeRequest: (bytes: Buffer): RequestEnvelope =>
    Request.toObject(Request.decode(bytes), DECODED) as RequestEnvelope,
  encodeResponse: (response: ResponseEnvelope): Buffer => encoded(Response, response),
  decodeResponse: (bytes: Buffer): ResponseEnvelope =>
    Response.toObject(Response.decode(bytes), DECODED) as ResponseEnvelope,
};

function encoded(type: Type, message: object): Buffer {
  return Buffer.from(type.encode(type.fromObject(message)).finish());
}
