import { Client, credentials } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { Code, CriError } from '../util/cri-error.js';
import { ownFile } from '../util/own-program.js';

/** A client of the CRI, for the commands that look at the service of this node as the kubelet does. */
export interface CriCaller {
  /**
   * Calls an RPC such as `ListPodSandbox`; all members of the answer are there, 64-bit numbers and enums as text. Rejects with a
   * CriError: UNAVAILABLE when nobody serves the socket, DEADLINE_EXCEEDED when there is no answer in time.
   */
  call(rpc: string, request: object): Promise<Readonly<Record<string, unknown>>>;
  close(): void;
}

const ANSWER = { longs: String, enums: String, defaults: true, arrays: true, objects: true };

/** Connects with the first call. `path` is that of the socket. */
export function connectToCri(path: string, timeoutMs: number): CriCaller {
  const { root } = protobuf.parse(ownFile('proto/runtime/v1/api.proto'), { keepCase: true });
  root.resolveAll();
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  return {
    call: (rpc, request) => {
      const [service, method] = methodOf(root, rpc);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          `/runtime.v1.${service}/${rpc}`,
          (message: object) => {
            const type = typeOf(method.resolvedRequestType);
            return Buffer.from(type.encode(type.fromObject(message)).finish());
          },
          (bytes: Buffer) => {
            const type = typeOf(method.resolvedResponseType);
            return type.toObject(type.decode(bytes), ANSWER);
          },
          request,
          { deadline: Date.now() + timeoutMs },
          (error, answer) => {
            if (error) reject(new CriError(codeOf(error.code), shortened(error.details), { cause: error }));
            else resolve({ ...answer });
          },
        );
      });
    },
    close: () => client.close(),
  };
}

function methodOf(root: protobuf.Root, rpc: string): [string, protobuf.Method] {
  for (const service of ['RuntimeService', 'ImageService']) {
    const method = root.lookupService(`runtime.v1.${service}`).methods[rpc];
    if (method !== undefined) return [service, method];
  }
  throw new CriError(Code.INTERNAL, `no RPC ${rpc} in the proto file`);
}

function typeOf(type: protobuf.Type | null): protobuf.Type {
  if (type === null) throw new CriError(Code.INTERNAL, 'the proto file lacks a message');
  return type;
}

/** grpc-js puts what the kernel said among words of its own. */
function shortened(details: string): string {
  return /connect E\w+ \S+/.exec(details)?.[0] ?? details;
}

function codeOf(code: number): Code {
  return Object.values(Code).find((one) => one === code) ?? Code.UNKNOWN;
}
