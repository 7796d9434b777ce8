/**
 * The quickstart's demonstration where no Docker Engine can run: the real cridock, in this process, on an Engine in
 * memory that starts no processes.
 *
 * Usage: node fake-engine-demo.js
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createApp } from '../../src/app.js';
import { loadConfig } from '../../src/cli/config.js';
import type { OptionName } from '../../src/cli/options.js';
import { createLogger } from '../../src/observability/logger.js';
import { FakeEngine } from '../../test/support/fake-engine.js';
import { demonstrate } from './demo-pod.js';
import { runDemo } from './run-demo.js';

const IMAGE = 'busybox:latest';

await runDemo(async (signal) => {
  const folder = await mkdtemp(join(tmpdir(), 'cridock-demo-'));
  const socketPath = join(folder, 'cri.sock');
  const settings: [OptionName, string][] = [
    ['container-runtime-endpoint', `unix://${socketPath}`],
    ['cri-dockerd-root-directory', join(folder, 'state')],
    ['cni-conf-dir', join(folder, 'net.d')],
    ['cni-cache-dir', join(folder, 'cni')],
  ];
  const config = loadConfig({
    flags: new Map(settings.map(([name, value]) => [name, { values: [value], source: `--${name}` }])),
    env: {},
    configFiles: [],
  });
  const engine = new FakeEngine();
  engine.addImage(config.podInfraContainerImage);
  engine.addPullable(IMAGE);
  const app = await createApp(config, createLogger({ level: 'error', format: 'text' }), { engine });
  try {
    await app.start();
    await demonstrate({ socketPath, image: IMAGE, isReal: false, signal });
  } finally {
    await app.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
