import protobuf from 'protobufjs';
import type { Method as ProtoMethod, Root, Type } from 'protobufjs';
import { Code, CriError } from '../util/cri-error.js';
import type { EncodeReply } from '../util/handler.js';
import { DECODED } from '../util/decoded-messages.js';
import { ownFile } from '../util/own-program.js';
import { checkFields } from './check-fields.js';
import { decodeRequest } from './decode-request.js';

/** One RPC of the proto file, with its codec. */
export interface Method {
  /** Such as `RunPodSandbox`. */
  readonly rpc: string;
  /** Such as `/runtime.v1.RuntimeService/RunPodSandbox`. */
  readonly path: string;
  /** True for RPCs that answer with a stream. */
  readonly streams: boolean;
  /** Throws a CriError INVALID_ARGUMENT for bytes that are not a valid request. */
  decode(bytes: Buffer): object;
  encode(reply: object): Buffer;
}

/** The two services of CRI v1. */
export interface Protocol {
  readonly runtime: readonly Method[];
  readonly image: readonly Method[];
  readonly encodeReply: EncodeReply;
}

/** Reads the proto file; takes about 30 ms, so do it once. */
export function loadProtocol(): Protocol {
  const { root } = protobuf.parse(ownFile('proto/runtime/v1/api.proto'), { keepCase: true });
  root.resolveAll();
  const runtime = methodsOf(root, 'runtime.v1.RuntimeService');
  const image = methodsOf(root, 'runtime.v1.ImageService');
  const byRpc = new Map([...runtime, ...image].map((method) => [method.rpc, method]));
  return {
    runtime,
    image,
    encodeReply: (rpc, reply) => {
      const method = byRpc.get(rpc);
      if (method === undefined) throw new CriError(Code.INTERNAL, `no RPC ${rpc} in the proto file`);
      return method.encode(reply);
    },
  };
}

function methodsOf(root: Root, service: string): Method[] {
  return root.lookupService(service).methodsArray.map((method) => {
    const request = resolved(method, method.resolvedRequestType);
    const reply = resolved(method, method.resolvedResponseType);
    return {
      rpc: method.name,
      path: `/${service}/${method.name}`,
      streams: method.responseStream === true,
      decode: (bytes) =>
        decodeRequest(method.name, bytes, (encoded) => {
          checkFields(encoded, request);
          return request.toObject(request.decode(encoded), DECODED);
        }),
      encode: (message) => asBuffer(reply.encode(reply.fromObject(message)).finish()),
    };
  });
}

function resolved({ name }: ProtoMethod, type: Type | null): Type {
  if (type === null) throw new Error(`the proto file lacks a message of ${name}`);
  return type;
}

/** What protobufjs writes is a Buffer already, where there are Buffers. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
