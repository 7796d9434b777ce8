import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Session } from 'node:inspector/promises';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { getHeapSnapshot } from 'node:v8';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';

export interface DebugEndpointOptions {
  /** The calls that are being served, the oldest first; times are those of `performance.now()`. */
  readonly calls: () => readonly { readonly rpc: string; readonly startedAtMs: number }[];
  readonly log: Logger;
}

const PAGES = `/debug/calls                calls in flight, the oldest first (JSON)
/debug/report               where the process is: its stack, memory, limits and open handles (JSON)
/debug/profile?seconds=10   a CPU profile, for Chromium's developer tools or speedscope (.cpuprofile)
/debug/heap                 a heap snapshot, for Chromium's developer tools (.heapsnapshot); the process stands still meanwhile
`;
const JSON_TYPE = 'application/json';
const DEFAULT_PROFILE_SECONDS = 10;
const MAX_PROFILE_SECONDS = 300;

/**
 * HTTP for those who look for a fault in cridock itself. What it shows may hold credentials of a pull that goes on, so it is
 * for root alone: whoever hands it connections sees to that.
 */
export class DebugEndpoint {
  readonly #options: DebugEndpointOptions;
  readonly #server: Server;

  constructor(options: DebugEndpointOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        options.log.warn('a debug request failed', { path: request.url, error: messageOf(error) });
        response.destroy();
      });
    });
  }

  serve(connection: Socket): void {
    this.#server.emit('connection', connection);
  }

  close(): void {
    this.#server.closeAllConnections();
  }

  #calls(): { rpc: string; ageMs: number }[] {
    const calls = this.#options.calls();
    // Read after the calls: none is younger than nothing.
    const nowMs = performance.now();
    return calls.map(({ rpc, startedAtMs }) => ({ rpc, ageMs: Math.round(nowMs - startedAtMs) }));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://debug');
    if (request.method !== 'GET') {
      send(response, 405, 'only GET\n');
      return;
    }
    switch (pathname) {
      case '/debug/calls':
        sendJson(response, this.#calls());
        break;
      case '/debug/report':
        sendJson(response, report());
        break;
      case '/debug/profile': {
        const seconds = Number(searchParams.get('seconds') ?? DEFAULT_PROFILE_SECONDS);
        if (!(seconds > 0 && seconds <= MAX_PROFILE_SECONDS)) {
          send(response, 400, `seconds: from 0 to ${MAX_PROFILE_SECONDS}\n`);
          break;
        }
        this.#options.log.info('taking a CPU profile', { seconds });
        send(response, 200, await cpuProfile(seconds), JSON_TYPE);
        break;
      }
      case '/debug/heap':
        this.#options.log.info('taking a heap snapshot');
        response.writeHead(200, { 'content-type': JSON_TYPE });
        await pipeline(getHeapSnapshot(), response);
        break;
      default:
        send(response, 404, PAGES);
    }
  }
}

function sendJson(response: ServerResponse, value: object): void {
  send(response, 200, `${JSON.stringify(value, undefined, 2)}\n`, JSON_TYPE);
}

/** Node's diagnostic report without the environment, which may hold credentials. */
function report(): object {
  const report: unknown = process.report.getReport();
  if (typeof report !== 'object' || report === null) return {};
  Reflect.deleteProperty(report, 'environmentVariables');
  return report;
}

async function cpuProfile(seconds: number): Promise<string> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await delay(seconds * 1000);
    const { profile } = await session.post('Profiler.stop');
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
}

function send(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
