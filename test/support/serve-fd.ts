import { CriServer } from '../../src/server/grpc-server.js';
import { loadProtocol } from '../../src/server/descriptor.js';
import { onSignals } from '../../src/server/signals.js';
import { noCallTraces } from '../../src/util/call-traces.js';
import { silentLogger } from '../../src/util/log.js';
import { silentMetrics } from '../../src/util/metrics-sink.js';

// A CRI server on the sockets that its parent passes as systemd does, or on the path that its argument names. Its Version reports, as runtime_name, which
// variables of socket activation a child of it would see. Stops at SIGTERM.
const server = new CriServer({
  protocol: loadProtocol(),
  runtime: {
    Version: () =>
      Promise.resolve({
        runtime_name: Object.keys(process.env)
          .filter((name) => name.startsWith('LISTEN_'))
          .join(),
      }),
  },
  image: {},
  streams: {},
  log: silentLogger,
  metrics: silentMetrics,
  traces: noCallTraces,
});
onSignals(
  {
    stop: async () => {
      await server.stop(5_000);
      process.exit(0);
    },
    reload: () => Promise.resolve(),
  },
  silentLogger,
);
const [path] = process.argv.slice(2);
await server.start(path === undefined ? { kind: 'systemd' } : { kind: 'unix', path });
console.log('ready');
