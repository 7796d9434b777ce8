import { isUtf8 } from 'node:buffer';
import { invalidArgument } from '../../util/cri-error.js';
import type { AuthConfig__Output } from '../../gen/runtime/v1/AuthConfig.js';
import type { RegistryAuth } from '../../docker/types.js';

const DOCKER_HUB = 'docker.io';
/** The address that Docker's own client and both image stores of the Engine know Docker Hub by. */
const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/';
const DOCKER_HUB_HOSTS: ReadonlySet<string> = new Set([
  DOCKER_HUB,
  'index.docker.io',
  'registry-1.docker.io',
]);
const BASE64_PATTERN = /^[A-Za-z0-9+/_-]+={0,2}$/;

/**
 * The credentials for a pull from `registry` (as in `ImageName`), or undefined for an anonymous one: when the CRI sent
 * none, or when their `server_address` is another registry's. `auth` (base64 of `user:password`) counts where there
 * is no user name. INVALID_ARGUMENT, never with the value in it, when `auth` is malformed.
 */
export function registryAuth(auth: AuthConfig__Output | null, registry: string): RegistryAuth | undefined {
  if (!auth) return undefined;
  if (auth.server_address !== '' && registryHost(auth.server_address) !== registryHost(registry))
    return undefined;

  const login = auth.username === '' && auth.auth !== '' ? decodeLogin(auth.auth) : auth;
  const credentials = {
    ...(login.username !== '' && { username: login.username, password: login.password }),
    ...(auth.identity_token !== '' && { identitytoken: auth.identity_token }),
    ...(auth.registry_token !== '' && { registrytoken: auth.registry_token }),
  };
  if (Object.keys(credentials).length === 0) return undefined;
  return {
    ...credentials,
    serveraddress: registryHost(registry) === DOCKER_HUB ? DOCKER_HUB_SERVER : registry,
  };
}

/** `host[:port]` of an address that may have a scheme and a path; Docker Hub's names count as one. */
function registryHost(address: string): string {
  const host = address
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/\/.*$/, '')
    .toLowerCase();
  return DOCKER_HUB_HOSTS.has(host) ? DOCKER_HUB : host;
}

function decodeLogin(text: string): { username: string; password: string } {
  const bytes = Buffer.from(text, 'base64');
  if (!BASE64_PATTERN.test(text) || !isUtf8(bytes))
    throw invalidArgument('auth.auth', 'must be base64 of user:password');
  const decoded = bytes.toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 1) throw invalidArgument('auth.auth', 'must be base64 of user:password');
  // Some writers of Docker's config.json pad the password with NULs; containerd and Docker cut them off too.
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}
