import { fileURLToPath } from 'node:url';
import { fromJSON, loadSync } from '@grpc/proto-loader';
import type {
  AnyDefinition,
  MethodDefinition,
  Options,
  PackageDefinition,
  ServiceDefinition,
} from '@grpc/proto-loader';
import { Code, CriError } from '../util/cri-error.js';
import type { EncodeReply } from '../util/handler.js';
import { packedFile } from '../util/own-program.js';
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

/** The proto file, and the same as JSON, which an executable holds: it is read in a third of the time. */
export const PROTO_PATH = 'proto/runtime/v1/api.proto';
export const PROTO_JSON = 'api.proto.json';

/** Reads the proto file; takes about 60 ms, so do it once. */
export function loadProtocol(): Protocol {
  const definitions = loadDefinitions({
    keepCase: true,
    longs: String,
    enums: Number,
    defaults: true,
    arrays: true,
    objects: true,
  });
  const runtime = methodsOf(definitions['runtime.v1.RuntimeService']);
  const image = methodsOf(definitions['runtime.v1.ImageService']);
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

function loadDefinitions(options: Options): PackageDefinition {
  const json = packedFile(PROTO_JSON);
  if (json !== undefined) return fromJSON(JSON.parse(json) as Parameters<typeof fromJSON>[0], options);
  // Compiled, this file is <root>/<outDir>/src/server/descriptor.js.
  return loadSync(fileURLToPath(new URL(`../../../${PROTO_PATH}`, import.meta.url)), options);
}

function methodsOf(service: AnyDefinition | undefined): Method[] {
  if (!isService(service)) throw new Error('the proto file lacks a service of runtime.v1');
  return Object.entries(service).map(([rpc, method]) => ({
    rpc,
    path: method.path,
    streams: method.responseStream,
    decode: (bytes) => decodeRequest(rpc, bytes, method.requestDeserialize),
    encode: method.responseSerialize,
  }));
}

/** Messages and enums have a `format`, services are plain tables of methods. */
function isService(
  definition: AnyDefinition | undefined,
): definition is ServiceDefinition & Record<string, MethodDefinition<object, object>> {
  return definition !== undefined && !('format' in definition);
}
