import { sourceFile } from '../../support/own-engine.js';
import { command } from './cluster.js';

/**
 * Restarts the cluster's Engine as its service manager would; with live-restore (the default) its containers run on. Run.sh
 * says in CRIDOCK_TEST_ENGINE_ARGUMENTS how it was started.
 */
export async function restartEngine({ liveRestore = true } = {}): Promise<void> {
  const args = (process.env['CRIDOCK_TEST_ENGINE_ARGUMENTS'] ?? '').split(' ');
  // What the daemon that runs now does with its containers was settled when it started.
  const steps = liveRestore
    ? [['restart', ...args, '--live-restore']]
    : [
        ['restart', ...args],
        ['restart', ...args],
      ];
  for (const step of steps) {
    const { code, stderr } = await command(sourceFile('support/engine.sh'), step, { timeoutMs: 200_000 });
    if (code !== 0) throw new Error(stderr);
  }
}
