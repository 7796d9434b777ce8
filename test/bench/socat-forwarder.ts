/**
 * Port-forward as cri-dockerd has it, to compare with: each connection is a process `nsenter ... socat`. Everything before
 * that is cridock's own server.
 *
 * Usage: node dist/test/bench/socat-forwarder.js PID    PID: of a process in the pod's network namespace.
 * Prints the URL of a session; serves until it is killed.
 */
import { spawn } from 'node:child_process';
import { SpdyConnection } from '../../src/streaming/spdy/connection.js';
import { acceptUpgrade } from '../../src/streaming/spdy/upgrade.js';
import type { SpdyStream } from '../../src/streaming/spdy/stream.js';
import { StreamingServer } from '../../src/streaming/server.js';
import { silentLogger } from '../../src/util/log.js';
import { silentMetrics } from '../../src/util/metrics-sink.js';

const [pid = ''] = process.argv.slice(2);

function onStream(stream: SpdyStream): void {
  if (stream.headers.get('streamtype') !== 'data') {
    stream.resume().end();
    return;
  }
  const target = `TCP4:localhost:${stream.headers.get('port') ?? ''}`;
  const socat = spawn('nsenter', ['--target', pid, '--net', '--', 'socat', '-', target], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  stream.pipe(socat.stdin.on('error', () => undefined));
  socat.stdout.pipe(stream);
  stream.once('close', () => socat.kill());
}

const server = new StreamingServer({
  host: '127.0.0.1',
  port: 0,
  tls: undefined,
  negotiate: () => (socket) => {
    acceptUpgrade(socket, 'portforward.k8s.io');
    return new Promise<void>((resolve) => {
      new SpdyConnection(socket, {
        maxStreams: 1_000,
        idleTimeoutMs: 600_000,
        onStream,
        onProblem: () => socket.destroy(),
        onClose: () => resolve(),
      });
    });
  },
  log: silentLogger,
  metrics: silentMetrics,
});
await server.start();
console.log(server.urlFor({ kind: 'portforward', sandboxId: 'bench', ports: [] }));
