import protobuf from 'protobufjs';
import type { Type } from 'protobufjs';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { DECODED } from '../util/decoded-messages.js';
import { ownFile } from '../util/own-program.js';
import type { PluginMessages } from './messages.js';

const PACKAGE = 'nri.pkg.api.v1alpha1';
export const PLUGIN_SERVICE = `${PACKAGE}.Plugin`;
export const RUNTIME_SERVICE = `${PACKAGE}.Runtime`;

/** The messages of NRI, by the names of their types in src/gen. */
export class NriProtocol {
  readonly #types = new Map<string, Type>();
  readonly #root: protobuf.Root;

  /** Reads the proto file; some milliseconds. */
  constructor() {
    this.#root = protobuf.parse(ownFile('proto/nri/v1alpha1/nri.proto'), { keepCase: true }).root;
    this.#root.resolveAll();
  }

  encode(type: string, message: object): Buffer {
    const codec = this.#type(type);
    return Buffer.from(codec.encode(codec.fromObject(message)).finish());
  }

  /** Throws INVALID_ARGUMENT for bytes that are no such message. */
  decode<Name extends keyof PluginMessages>(type: Name, bytes: Uint8Array): PluginMessages[Name] {
    const codec = this.#type(type);
    try {
      return codec.toObject(codec.decode(bytes), DECODED) as PluginMessages[Name];
    } catch (error) {
      throw new CriError(Code.INVALID_ARGUMENT, `no ${type}: ${messageOf(error)}`);
    }
  }

  /** A message with all of its members, from JSON of one. Throws an Error for what is none. */
  complete<Name extends keyof PluginMessages>(type: Name, json: object): PluginMessages[Name] {
    const codec = this.#type(type);
    return codec.toObject(codec.fromObject(json), DECODED) as PluginMessages[Name];
  }

  #type(name: string): Type {
    let type = this.#types.get(name);
    if (type === undefined) {
      type = this.#root.lookupType(`${PACKAGE}.${name}`);
      this.#types.set(name, type);
    }
    return type;
  }
}
