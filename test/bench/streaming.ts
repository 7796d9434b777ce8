/**
 * Measures exec and port-forward against what they are built on, in one run: ExecSync against the Engine's three raw
 * requests, exec's output against the raw hijacked stream, port-forward against `nsenter ... socat`.
 *
 * Usage: node dist/test/bench/streaming.js [MEGABYTES]   with CRIDOCK_TEST_DOCKER naming an Engine that has busybox:latest.
 * Prints a line for each comparison; exit status 1 when a bound does not hold.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { startCridock, testDockerEndpoint, type CridockProcess } from '../support/cridock-process.js';
import { makePod, removePod, type MadePod } from '../support/pod-worker.js';
import { openRemote } from '../support/remote-command.js';
import { SpdyClient, type ClientStream } from '../support/spdy-client.js';

const MEGABYTES = Number(process.argv[2] ?? 300);
const EXECS = 150;
const CONNECTIONS = 200;
const BYTES = MEGABYTES * 1_000_000;
const socketPath = testDockerEndpoint.replace(/^unix:\/\//, '');
const agent = new http.Agent({ keepAlive: true });
let failed = false;

/** Figures of cridock, and of what it is compared with. */
interface Pair {
  readonly ours: number[];
  readonly reference: number[];
}

function report(what: string, holds: boolean): void {
  failed ||= !holds;
  console.log(`${holds ? 'holds' : 'FAILS'}  ${what}`);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** A request to the Engine as plain as can be. */
function engine(method: string, path: string, body?: object): Promise<{ json: Record<string, unknown> }> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': text.length };
  return new Promise((resolve, reject) => {
    const request = http.request(
      { socketPath, method, path: `/v1.41${path}`, headers, agent },
      (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (piece: string) => (answer += piece));
        response.on('end', () => resolve({ json: JSON.parse(answer) as Record<string, unknown> }));
      },
    );
    request.on('error', reject).end(text);
  });
}

async function rawExec(containerId: string, cmd: string[]): Promise<{ id: string; stream: Socket }> {
  const config = { Cmd: cmd, AttachStdout: true, AttachStderr: true };
  const { json } = await engine('POST', `/containers/${containerId}/exec`, config);
  const id = String(json['Id']);
  const body = JSON.stringify({ Detach: false, Tty: false });
  const request = http.request({
    socketPath,
    method: 'POST',
    path: `/v1.41/exec/${id}/start`,
    headers: {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      Connection: 'Upgrade',
      Upgrade: 'tcp',
    },
    agent,
  });
  request.end(body);
  const [, stream, head] = (await once(request, 'upgrade')) as [unknown, Socket, Buffer];
  stream.unshift(head);
  return { id, stream };
}

async function benchExecSync(cridock: CridockProcess, containerId: string): Promise<void> {
  const cmd = ['true'];
  const raw = async () => {
    const { id, stream } = await rawExec(containerId, cmd);
    stream.resume();
    await once(stream, 'end');
    stream.destroy();
    await engine('GET', `/exec/${id}/json`);
  };
  const ours = () => cridock.client.runtime.ExecSync({ container_id: containerId, cmd, timeout: 10 });
  for (let index = 0; index < 10; index += 1) await Promise.all([raw(), ours()]);
  const times: Pair = { ours: [], reference: [] };
  for (let index = 0; index < EXECS; index += 1) {
    times.reference.push(await timed(raw));
    times.ours.push(await timed(ours));
  }
  const [rawMs, oursMs] = [median(times.reference), median(times.ours)];
  const ratio = oursMs / rawMs;
  report(
    `ExecSync p50 ${oursMs.toFixed(1)} ms, raw sequence ${rawMs.toFixed(1)} ms: ${ratio.toFixed(2)} x (bound 1.15)`,
    ratio <= 1.15,
  );
}

async function benchOutput(cridock: CridockProcess, containerId: string): Promise<void> {
  const cmd = ['head', '-c', String(BYTES), '/dev/zero'];
  const rates: Pair = { ours: [], reference: [] };
  const raw = async () => {
    const { stream } = await rawExec(containerId, cmd);
    stream.resume();
    await once(stream, 'end');
    stream.destroy();
  };
  const ours = async () => {
    const request = { container_id: containerId, cmd, stdout: true, stderr: true };
    const session = await openRemote((await cridock.client.runtime.Exec(request)).url);
    session.stdout.removeAllListeners('data');
    await session.result;
    session.client.destroy();
  };
  for (let index = 0; index < 3; index += 1) {
    rates.reference.push(BYTES / 1_000 / (await timed(raw)));
    rates.ours.push(BYTES / 1_000 / (await timed(ours)));
  }
  const [rawRate, oursRate] = [median(rates.reference), median(rates.ours)];
  const share = oursRate / rawRate;
  report(
    `exec stdout ${oursRate.toFixed(0)} MB/s, raw hijacked stream ${rawRate.toFixed(0)} MB/s: ${(100 * share).toFixed(0)} % (bound 250 MB/s or 80 %)`,
    oursRate >= 250 || share >= 0.8,
  );
}

/** In the pod: answers each connection at once with a byte, and then with as many bytes as it is asked for. */
const SERVER = `require('node:net').createServer((socket) => {
  const block = Buffer.alloc(1 << 20);
  socket.on('error', () => undefined);
  socket.write('!');
  socket.once('data', (text) => {
    let left = Number(text);
    const more = () => {
      while (left > 0) { const n = Math.min(left, block.length); left -= n; if (!socket.write(block.subarray(0, n))) { socket.once('drain', more); return; } }
      socket.end();
    };
    more();
  });
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;

async function benchPortForward(cridock: CridockProcess, pod: MadePod): Promise<void> {
  const { info } = await cridock.client.runtime.PodSandboxStatus({
    pod_sandbox_id: pod.sandboxId,
    verbose: true,
  });
  const { pid } = JSON.parse(info['info'] ?? '{}') as { pid: number };
  const server = await printing('nsenter', [
    '--target',
    String(pid),
    '--net',
    '--',
    process.execPath,
    '-e',
    SERVER,
  ]);
  const forwarder = await printing(process.execPath, [
    join(import.meta.dirname, 'socat-forwarder.js'),
    String(pid),
  ]);
  const { url } = await cridock.client.runtime.PortForward({ pod_sandbox_id: pod.sandboxId });
  const ours = await Forwarding.open(url, server.line);
  const socat = await Forwarding.open(forwarder.line, server.line);
  await ours.firstByte(); // starts the helper

  const firstByteMs: Pair = { ours: [], reference: [] };
  for (let index = 0; index < CONNECTIONS; index += 1) {
    firstByteMs.ours.push(await timed(() => ours.firstByte()));
    if (index % 10 === 0) firstByteMs.reference.push(await timed(() => socat.firstByte()));
  }
  const [oursMs, socatMs] = [median(firstByteMs.ours), median(firstByteMs.reference)];
  report(
    `port-forward first byte p50 ${oursMs.toFixed(2)} ms (bound 3 ms), nsenter and socat ${socatMs.toFixed(1)} ms`,
    oursMs <= 3,
  );

  const rates: Pair = { ours: [], reference: [] };
  for (let index = 0; index < 3; index += 1) {
    rates.reference.push(BYTES / 1_000 / (await timed(() => socat.download())));
    rates.ours.push(BYTES / 1_000 / (await timed(() => ours.download())));
  }
  const [oursRate, socatRate] = [median(rates.ours), median(rates.reference)];
  const factor = oursRate / socatRate;
  report(
    `port-forward ${oursRate.toFixed(0)} MB/s, nsenter and socat ${socatRate.toFixed(0)} MB/s: ${factor.toFixed(1)} x (bound 4)`,
    factor >= 4,
  );
  ours.close();
  socat.close();
  server.kill();
  forwarder.kill();
}

/** Starts a program and waits for the line that it prints. */
async function printing(command: string, args: string[]): Promise<{ line: string; kill: () => void }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { line: line.toString().trim(), kill: () => void child.kill('SIGKILL') };
}

/** A port-forward session to the server in the pod. */
class Forwarding {
  readonly #client: SpdyClient;
  readonly #port: string;
  #requests = 0;

  private constructor(client: SpdyClient, port: string) {
    this.#client = client;
    this.#port = port;
  }

  static async open(url: string, port: string): Promise<Forwarding> {
    return new Forwarding(await SpdyClient.connect(url, 'portforward.k8s.io'), port);
  }

  async firstByte(): Promise<void> {
    const data = await this.#connect();
    await once(data, 'data');
    await data.sendReset();
  }

  async download(): Promise<void> {
    const data = await this.#connect();
    const finished = data.finished();
    await data.write(Buffer.from(String(BYTES)));
    await finished;
  }

  close(): void {
    this.#client.destroy();
  }

  async #connect(): Promise<ClientStream> {
    const headers = { port: this.#port, requestid: String((this.#requests += 1)) };
    await this.#client.open({ ...headers, streamtype: 'error' });
    return this.#client.open({ ...headers, streamtype: 'data' });
  }
}

execFileSync('socat', ['-V'], { stdio: 'ignore' });
const cridock = await startCridock({ flags: ['--log-level=warn'] });
const spec = { name: 'bench', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
const pod = await makePod(cridock.client, spec);
try {
  const containerId = pod.containerIds[0] ?? '';
  await benchExecSync(cridock, containerId);
  await benchOutput(cridock, containerId);
  await benchPortForward(cridock, pod);
} finally {
  await removePod(cridock.client, pod);
  await cridock.stop();
  agent.destroy();
}
process.exitCode = Number(failed);
