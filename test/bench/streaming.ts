/**
 * Measures exec and port-forward against what they are built on, in one run: ExecSync against the Engine's three raw
 * requests, exec's output against the raw hijacked stream, port-forward against a process `nsenter ... socat` for each
 * connection. cridock runs with the flags that it is shipped with, and warm, as a node's probes keep it.
 *
 * Usage: node dist/test/bench/streaming.js [MEGABYTES OF OUTPUT]   with CRIDOCK_TEST_DOCKER naming an Engine that has busybox:latest.
 * Prints a line for each comparison; exit status 1 when a bound does not hold.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { startCridock, testDockerEndpoint, type CridockProcess } from '../support/cridock-process.js';
import { makePod, removePod, type MadePod } from '../support/pod-worker.js';
import { openRemote } from '../support/remote-command.js';
import { CountingClient } from './counting-client.js';
import { SHIPPED_ENV, SHIPPED_NODE_FLAGS, median, shuffled } from './measure.js';
import { RawCri, requestEncoder } from './raw-cri.js';

const MEGABYTES = Number(process.argv[2] ?? 300);
const WARM_UP_EXECS = 300;
const EXECS = 300;
/** After the answer to an exec: what Engine and shim clear away then would slow whatever begins before they are done. */
const REST_MS = 50;
const TRANSFERS = 5;
const WARM_UP_TRANSFERS = 10;
const CONNECTIONS = 200;
const CONNECTION_BYTES = 200_000;
const ONE_CONNECTION_BYTES = 1_000_000_000;
const BYTES = MEGABYTES * 1_000_000;
const socketPath = testDockerEndpoint.replace(/^unix:\/\//, '');
const agent = new http.Agent({ keepAlive: true });
let failed = false;

function report(what: string, holds: boolean): void {
  failed ||= !holds;
  console.log(`${holds ? 'holds' : 'FAILS'}  ${what}`);
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
  const cri = new RawCri(cridock.socketPath);
  const request = requestEncoder()('ExecSync', { container_id: containerId, cmd, timeout: 10 });
  const contestants = {
    raw: async () => {
      const { id, stream } = await rawExec(containerId, cmd);
      stream.resume();
      await once(stream, 'end');
      stream.destroy();
      await engine('GET', `/exec/${id}/json`);
    },
    ours: () => cri.call('ExecSync', request),
  };
  await shuffled(WARM_UP_EXECS, { ours: contestants.ours });
  await shuffled(20, contestants);
  const times = await shuffled(EXECS, contestants, REST_MS);
  cri.close();
  const [rawMs, oursMs] = [median(times.raw), median(times.ours)];
  const ratio = oursMs / rawMs;
  report(
    `ExecSync p50 ${oursMs.toFixed(1)} ms, raw sequence ${rawMs.toFixed(1)} ms: ${ratio.toFixed(2)} x (bound 1.15)`,
    ratio <= 1.15,
  );
}

async function benchOutput(cridock: CridockProcess, containerId: string): Promise<void> {
  const cmd = ['head', '-c', String(BYTES), '/dev/zero'];
  const times = await shuffled(TRANSFERS, {
    raw: async () => {
      const { stream } = await rawExec(containerId, cmd);
      stream.resume();
      await once(stream, 'end');
      stream.destroy();
    },
    ours: async () => {
      const request = { container_id: containerId, cmd, stdout: true, stderr: true };
      const session = await openRemote((await cridock.client.runtime.Exec(request)).url);
      session.stdout.removeAllListeners('data');
      await session.result;
      session.client.destroy();
    },
  });
  const [rawRate, oursRate] = [rate(BYTES, times.raw), rate(BYTES, times.ours)];
  const share = oursRate / rawRate;
  report(
    `exec stdout ${oursRate.toFixed(0)} MB/s, raw hijacked stream ${rawRate.toFixed(0)} MB/s: ${(100 * share).toFixed(0)} % (bound 250 MB/s or 80 %)`,
    oursRate >= 250 || share >= 0.8,
  );
}

/** MB/s of the median. */
function rate(byteCount: number, timesMs: number[]): number {
  return byteCount / 1_000 / median(timesMs);
}

/** Resident memory of cridock and the processes that it has started, in MB; what they share counts once. */
function memoryOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean);
  const kib = [String(pid), ...children].map((id) =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))?.[1] ?? 0),
  );
  return kib.reduce((sum, value) => sum + value, 0) / 1024;
}

/** Sessions with a connection each on which nothing happens, such as consoles that somebody has left open. */
async function benchIdleSessions(cridock: CridockProcess, sandboxId: string, port: string): Promise<void> {
  const before = memoryOf(cridock.pid);
  const clients: CountingClient[] = [];
  for (let count = 0; count < CONNECTIONS; count += 1) {
    const { url } = await cridock.client.runtime.PortForward({ pod_sandbox_id: sandboxId });
    const client = await CountingClient.open(url, port);
    await client.hold();
    clients.push(client);
  }
  const grownMb = memoryOf(cridock.pid) - before;
  report(
    `${CONNECTIONS} idle port-forward sessions: ${grownMb.toFixed(0)} MB more (bound 60)`,
    grownMb <= 60,
  );
  for (const client of clients) client.close();
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
  const ours = await CountingClient.open(url, server.line);
  const socat = await CountingClient.open(forwarder.line, server.line);
  await benchIdleSessions(cridock, pod.sandboxId, server.line);
  await ours.firstByte(); // starts the helper

  const { firstByte } = await shuffled(CONNECTIONS, { firstByte: () => ours.firstByte() });
  const { socatFirstByte } = await shuffled(CONNECTIONS / 10, { socatFirstByte: () => socat.firstByte() });
  const [oursMs, socatMs] = [median(firstByte), median(socatFirstByte)];
  report(
    `port-forward first byte p50 ${oursMs.toFixed(2)} ms (bound 1.3 ms), nsenter and socat ${socatMs.toFixed(1)} ms`,
    oursMs <= 1.3,
  );
  const downloads = (client: CountingClient, count: number, byteCount: number) => () =>
    Promise.all(Array.from({ length: count }, () => client.download(byteCount)));
  await shuffled(WARM_UP_TRANSFERS, { ours: downloads(ours, CONNECTIONS, CONNECTION_BYTES) });
  const compare = async (what: string, count: number, byteCount: number) => {
    const times = await shuffled(TRANSFERS, {
      ours: downloads(ours, count, byteCount),
      socat: downloads(socat, count, byteCount),
    });
    const [oursRate, socatRate] = [rate(count * byteCount, times.ours), rate(count * byteCount, times.socat)];
    const factor = oursRate / socatRate;
    report(
      `port-forward, ${what}: ${oursRate.toFixed(0)} MB/s, nsenter and socat ${socatRate.toFixed(0)} MB/s: ${factor.toFixed(1)} x (bound 4)`,
      factor >= 4,
    );
  };
  await compare(`${CONNECTIONS} connections of ${CONNECTION_BYTES / 1000} KB`, CONNECTIONS, CONNECTION_BYTES);
  await compare(`one of ${ONE_CONNECTION_BYTES / 1_000_000} MB`, 1, ONE_CONNECTION_BYTES);
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

execFileSync('socat', ['-V'], { stdio: 'ignore' });
const cridock = await startCridock({
  flags: ['--log-level=warn'],
  nodeFlags: SHIPPED_NODE_FLAGS,
  env: SHIPPED_ENV,
});
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
