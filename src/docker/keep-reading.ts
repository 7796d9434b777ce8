import type { Duplex } from 'node:stream';

/**
 * Makes failed writes on a hijacked connection pass without a word. The Engine closes it when the process ends, also with input
 * under way that nobody read; at the failed write Node would destroy the connection, and with it the output not yet read.
 * The connection's end shows to whom reads it. It takes the functions that each stream is implemented with to be those that
 * Node documents; `checkConnections` sees at the start whether that holds for connections.
 */
export function keepReading(connection: Duplex): void {
  const write = connection._write.bind(connection);
  connection._write = (chunk, encoding, done) => write(chunk, encoding, () => done());
  const writev = connection._writev?.bind(connection);
  if (writev !== undefined) connection._writev = (chunks, done) => writev(chunks, () => done());
}
