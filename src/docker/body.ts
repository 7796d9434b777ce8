import type { Readable } from 'node:stream';
import { Code, CriError, messageOf } from '../util/cri-error.js';

/** Most answers are some KiB. What is longer than this would hold cridock up, and no text of Node's could be made of much more. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** Reads a response to its end. Throws when the connection breaks before that, and RESOURCE_EXHAUSTED for one that is too long. */
export async function readText(response: Readable, maxBytes?: number): Promise<string> {
  return (await readBytes(response, maxBytes)).toString();
}

/** As `readText`, for what is no text. */
export async function readBytes(response: Readable, maxBytes = MAX_ANSWER_BYTES): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      const message = `the answer of Docker Engine is longer than ${maxBytes} bytes`;
      reject(new CriError(Code.RESOURCE_EXHAUSTED, message));
      response.destroy();
    });
    // Most answers are one piece.
    response.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    response.on('error', reject);
    response.on('close', () => {
      // An error costs its stack, too much for each answer that ended as it should.
      if (!response.readableEnded) reject(new Error('the answer broke off'));
    });
  });
}

/** The lines of a response as they come, empty ones left out. Throws when the connection breaks. */
export async function* linesOf(response: Readable): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (rest.trim() !== '') yield rest;
}

/** Throws INTERNAL, naming the request, for text that is not JSON. */
export function parseJson(text: string, request: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `${request}: the Engine's answer is not JSON: ${messageOf(error)}`;
    throw new CriError(Code.INTERNAL, message, { cause: error });
  }
}
