/**
 * The quickstart's demonstration, against a CRI server that runs.
 *
 * Usage: node demo.js SOCKET IMAGE    SOCKET: the server's unix socket; IMAGE: as Demonstration.image
 */
import { demonstrate } from './demo-pod.js';
import { runDemo } from './run-demo.js';

await runDemo(async (signal) => {
  const [socketPath, image] = process.argv.slice(2);
  if (socketPath === undefined || image === undefined) throw new Error('usage: demo.js SOCKET IMAGE');
  await demonstrate({ socketPath, image, isReal: true, signal });
});
