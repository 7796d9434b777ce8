import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { gzipSync } from 'node:zlib';

const MANIFEST_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';

interface Blob {
  digest: string;
  bytes: Buffer;
}

/**
 * A registry on loopback that serves one image under every repository and tag `good`, and misbehaves when told to:
 * `intercept` may answer a request itself (true) before the registry does.
 */
export class TinyRegistry {
  intercept: (request: http.IncomingMessage, response: http.ServerResponse) => boolean = () => false;
  /** The digest of the image's manifest. */
  readonly digest: string;
  /** The image's one layer, as it is sent. */
  readonly layer: Blob;
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifest: Buffer;
  readonly #server = http.createServer((request, response) => this.#respond(request, response));

  private constructor(layerTar: Buffer, imageConfig: object) {
    this.layer = this.#add(gzipSync(layerTar));
    const diffId = digestOf(layerTar);
    const config = this.#add(
      Buffer.from(
        JSON.stringify({
          architecture: process.arch === 'x64' ? 'amd64' : process.arch,
          os: 'linux',
          config: imageConfig,
          rootfs: { type: 'layers', diff_ids: [diffId] },
        }),
      ),
    );
    const describe = (mediaType: string, { digest, bytes }: Blob) => ({
      mediaType,
      size: bytes.length,
      digest,
    });
    this.#manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: describe('application/vnd.docker.container.image.v1+json', config),
        layers: [describe('application/vnd.docker.image.rootfs.diff.tar.gzip', this.layer)],
      }),
    );
    this.digest = digestOf(this.#manifest);
  }

  /** `imageConfig` is what the image says of its containers. */
  static async start(layerTar: Buffer, imageConfig: object = { Cmd: ['/bin/sh'] }): Promise<TinyRegistry> {
    const registry = new TinyRegistry(layerTar, imageConfig);
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  /** `127.0.0.1:port`, as references begin. */
  get host(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the registry does not listen');
    return `127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  #add(bytes: Buffer): Blob {
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return { digest, bytes };
  }

  #respond(request: http.IncomingMessage, response: http.ServerResponse): void {
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    if (this.intercept(request, response)) return;
    const url = request.url ?? '';
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    if (kind === undefined) {
      response.end('{}');
    } else if (kind === 'manifests' && (name === 'good' || name === this.digest)) {
      sendContent(response, MANIFEST_TYPE, this.digest, this.#manifest);
    } else if (kind === 'blobs' && this.#blobs.has(name)) {
      sendContent(response, 'application/octet-stream', name, this.#blobs.get(name) ?? Buffer.alloc(0));
    } else {
      refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    }
  }
}

/** Answers in a registry's error format. */
export function refuse(response: http.ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

function sendContent(response: http.ServerResponse, type: string, digest: string, bytes: Buffer): void {
  response.writeHead(200, {
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Docker-Content-Digest': digest,
  });
  response.end(bytes);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
