import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * The text of a plain file of at most so many bytes; an Error for any other. Neither waits for a writer, as for that of a pipe, nor
 * reads a device without end.
 */
export async function readAtMost(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`${path} is not a file`);
    if (stat.size > maxBytes) throw new Error(`${path} is longer than ${maxBytes} bytes`);
    const buffer = Buffer.alloc(stat.size);
    const { bytesRead } = await file.read(buffer, 0, stat.size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
