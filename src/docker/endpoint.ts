import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument, messageOf } from '../util/cri-error.js';

const DEFAULT_ENDPOINT = 'unix:///var/run/docker.sock';

/** PEM texts for a TLS connection to the Engine. */
export interface EndpointTls {
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
  /** False when `DOCKER_TLS_VERIFY` is not set: then any server certificate is taken. */
  rejectUnauthorized: boolean;
}

/** Where the Engine listens. `text` is the form for people. */
export type Endpoint =
  | { kind: 'unix'; text: string; socketPath: string }
  | { kind: 'tcp'; text: string; hostname: string; port: number; tls: EndpointTls | undefined };

/**
 * Reads an endpoint such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`. The empty text means what
 * Docker's own clients take from the environment: `DOCKER_HOST`, with TLS when `DOCKER_CERT_PATH` is set, checked
 * when `DOCKER_TLS_VERIFY` is. Throws INVALID_ARGUMENT.
 */
export function parseEndpoint(text: string, env: Readonly<Record<string, string | undefined>>): Endpoint {
  if (text !== '') return parse(text, undefined);
  const certPath = env['DOCKER_CERT_PATH'] ?? '';
  const tls = certPath === '' ? undefined : readTls(certPath, (env['DOCKER_TLS_VERIFY'] ?? '') !== '');
  const host = env['DOCKER_HOST'] ?? '';
  return parse(host === '' ? DEFAULT_ENDPOINT : host, tls);
}

function parse(text: string, tls: EndpointTls | undefined): Endpoint {
  const socketPath = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
  if (socketPath !== undefined) return { kind: 'unix', text, socketPath };
  const [, host, port] = /^tcp:\/\/(\[[^\]]+\]|[^:/@]+):(\d+)\/?$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65535) {
    throw invalidArgument('docker-endpoint', `"${text}" is neither unix:///path nor tcp://host:port`);
  }
  return { kind: 'tcp', text, hostname: host, port: Number(port), tls };
}

function readTls(directory: string, rejectUnauthorized: boolean): EndpointTls {
  const read = (name: string) => {
    try {
      return readFileSync(join(directory, name));
    } catch (error) {
      throw invalidArgument('DOCKER_CERT_PATH', messageOf(error), { cause: error });
    }
  };
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem'), rejectUnauthorized };
}
