import http from 'node:http';

export interface DockerAnswer {
  status: number;
  body: string;
}

/** One raw request to the Engine at a `unix://` endpoint, in its newest API: what a second client would send. */
export function dockerRequest(
  endpoint: string,
  method: string,
  path: string,
  body?: object,
): Promise<DockerAnswer> {
  const socketPath = endpoint.replace(/^unix:\/\//, '');
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
