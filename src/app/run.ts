import { createApp } from '../app.js';
import { ConfigError, type Config } from '../cli/config.js';
import { compareConfigs } from '../cli/reload.js';
import { readBuildInfo } from '../cli/version.js';
import { createLogger } from '../observability/logger.js';
import { onSignals, surviveStrayErrors } from '../server/signals.js';
import { createServiceNotifier } from '../server/systemd.js';
import { optimiseFromNowOn } from '../util/own-program.js';

/**
 * Runs cridock until a signal ends it; answers the exit code. `readConfig` reads the configuration anew for SIGHUP and
 * throws when it cannot be used: then everything stays as it is.
 */
export async function run(config: Config, readConfig: () => Config): Promise<number> {
  const log = createLogger({ level: config.logLevel, format: config.logFormat });
  const { version, commit } = readBuildInfo();
  log.info('cridock starts', { version, commit, node: process.version, pid: process.pid });
  for (const note of config.notes) log.warn(note);
  const notifier = createServiceNotifier(process.env, log);
  const app = await createApp(config, log);
  let current = config;
  const reload = async (): Promise<void> => {
    await notifier.reloading();
    try {
      const next = readConfig();
      const { now, applied, afterRestart } = compareConfigs(current, next);
      if (now.logLevel !== undefined) log.setLevel(now.logLevel);
      app.apply(now);
      current = next;
      log.info('configuration reloaded', {
        applied: applied.join('; ') || 'nothing',
        afterRestart: afterRestart.join(', ') || 'nothing',
      });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      log.error('configuration not reloaded, it cannot be used', { problems: error.problems.join('; ') });
    } finally {
      await notifier.ready();
    }
  };
  const stopped = new Promise<void>((resolve, reject) => {
    const stop = async (): Promise<void> => {
      await notifier.stopping();
      await app.stop().then(resolve, reject);
    };
    onSignals({ stop, reload }, log);
  });
  await app.start();
  await notifier.ready();
  optimiseFromNowOn();
  const stopSurviving = surviveStrayErrors(log);
  await stopped;
  stopSurviving();
  return 0;
}
