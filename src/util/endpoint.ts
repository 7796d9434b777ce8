/** Where the CRI server listens: a socket file of its own, or the sockets that systemd passed. */
export type Endpoint = { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'systemd' };

/** Linux's sockaddr_un holds 108 bytes, the closing NUL among them. */
export const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Reads a CRI endpoint: `unix:///path`, `fd://` or, as crictl allows, a bare absolute path.
 * Throws an Error that says what to write instead.
 */
export function parseEndpoint(text: string): Endpoint {
  if (text === 'fd://') return { kind: 'systemd' };
  if (text.startsWith('fd://')) {
    throw new Error(
      `${quote(text)}: sockets are not picked by name; write fd:// to serve all that systemd passes`,
    );
  }
  if (text.startsWith('/')) return unixEndpoint(text, text);
  if (text.startsWith('unix://')) return unixEndpoint(text, text.slice('unix://'.length));
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1];
  if (scheme === undefined) {
    throw new Error(`${quote(text)} has no scheme; write unix:///path/to/socket or fd://`);
  }
  throw new Error(`${quote(text)}: ${scheme}:// is not served; write unix:///path/to/socket or fd://`);
}

function unixEndpoint(text: string, path: string): Endpoint {
  if (!path.startsWith('/')) throw new Error(`${quote(text)}: the socket's path must be absolute`);
  if (path.endsWith('/')) throw new Error(`${quote(text)}: the path must name a file`);
  if (path.includes('\0')) throw new Error(`${quote(text)}: the path holds a NUL byte`);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`${quote(text)}: a socket's path has at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  return { kind: 'unix', path };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** The path of an endpoint's socket. Of those that systemd passes only their unit knows it: this is the one of every package. */
export function socketOf(endpoint: Endpoint): string {
  return endpoint.kind === 'unix' ? endpoint.path : '/run/cri-dockerd.sock';
}
