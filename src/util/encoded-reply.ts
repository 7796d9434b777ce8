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

/** One reply of parts that are laid out as it is. */
export async function joined(parts: AsyncIterable<EncodedReply>): Promise<EncodedReply> {
  const pieces: Buffer[] = [];
  for await (const { bytes } of parts) pieces.push(bytes);
  const [only] = pieces;
  return new EncodedReply(pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces));
}
