import { readFile } from 'node:fs/promises';
import { registryAuth } from '../../convert/image/auth.js';
import { parseImageName } from '../../convert/image/image-reference.js';
import type { AuthConfig__Output } from '../../gen/runtime/v1/AuthConfig.js';
import { Code, CriError, messageOf } from '../../util/cri-error.js';

/**
 * The credentials for the sandbox image's registry in a Docker config file (`auths` of `docker login`; credential helpers
 * are programs of Docker's own client and are not run); null where `path` is '' or the file has none for it. Throws
 * FAILED_PRECONDITION, with nothing of its content, when the file cannot be read.
 */
export async function sandboxImageAuth(image: string, path: string): Promise<AuthConfig__Output | null> {
  if (path === '') return null;
  const { registry } = parseImageName(image, 'pod-infra-container-image');
  const logins = Object.entries(await readAuths(path)).map(([server, login]) => authConfig(server, login));
  return logins.find((login) => registryAuth(login, registry) !== undefined) ?? null;
}

async function readAuths(path: string): Promise<object> {
  let config: unknown;
  try {
    config = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    // A parser's message may quote what it read.
    const problem = error instanceof SyntaxError ? 'it is not JSON' : messageOf(error);
    throw new CriError(Code.FAILED_PRECONDITION, `pod-infra-container-image-auth: ${path}: ${problem}`);
  }
  const auths = typeof config === 'object' && config !== null && 'auths' in config ? config.auths : {};
  return typeof auths === 'object' && auths !== null ? auths : {};
}

function authConfig(server: string, login: unknown): AuthConfig__Output {
  const text = (name: string): string => {
    const value: unknown = typeof login === 'object' && login !== null ? Reflect.get(login, name) : '';
    return typeof value === 'string' ? value : '';
  };
  return {
    username: text('username'),
    password: text('password'),
    auth: text('auth'),
    server_address: server,
    identity_token: text('identitytoken'),
    registry_token: text('registrytoken'),
  };
}
