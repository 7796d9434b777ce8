/** The peer broke the protocol, or a limit: the connection cannot go on. */
export class SpdyError extends Error {
  override readonly name = 'SpdyError';
}
