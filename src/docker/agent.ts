import http from 'node:http';
import https from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from './endpoint.js';

/** Of the connections that a burst of requests has left, what the next one needs at once: each costs both sides a descriptor. */
const MAX_IDLE_CONNECTIONS = 8;

/** A pool of kept-alive connections to the Engine, at most `maxSockets` of them in use at a time. */
export function createAgent(endpoint: Endpoint, maxSockets: number): http.Agent {
  const options = { keepAlive: true, maxSockets, maxFreeSockets: MAX_IDLE_CONNECTIONS };
  // Left out, Node works it out for each request, also where there is no TLS to name a server to.
  const withoutTls = { ...options, servername: '' };
  const agent =
    endpoint.kind === 'tcp' && endpoint.tls !== undefined
      ? new https.Agent({ ...options, ...endpoint.tls })
      : new http.Agent(withoutTls);
  // Node asks several times a request which connections are for the same place. All are.
  agent.getName = () => 'engine';
  if (endpoint.kind === 'unix') agent.keepSocketAlive = keepLocal;
  return agent;
}

/**
 * In the place of Node's own, which sets up TCP's keep-alive, and parses the headers of each answer for how long the other side
 * keeps the connection: the Engine says no such thing.
 */
function keepLocal(connection: Duplex): boolean {
  if (connection instanceof Socket) connection.unref();
  return true;
}

/** Closes the connections that carry no request; `agent.destroy()` would cut those in use as well. */
export function closeIdle(agent: http.Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
