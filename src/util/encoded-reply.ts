/**
 * A reply that is protobuf already. A handler returns it in place of the message when it holds the bytes:
 * fields of a message may be encoded one by one and joined, so a list is the concatenation of its entries.
 */
export class EncodedReply {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}
