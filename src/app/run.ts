import { createApp } from '../app.js';
import { ConfigError, type Config } from '../cli/config.js';
import { compareConfigs } from '../cli/reload.js';
import { readBuildInfo } from '../cli/version.js';
import { createLogger, isJournal } from '../observability/logger.js';
import { onSignals } from '../server/signals.js';
import { EXIT_SOFTWARE, onStrayErrors } from '../server/stray-errors.js';
import { createServiceNotifier } from '../server/systemd.js';
import { checkConnections } from './self-check.js';
import { deferred } from '../util/deferred.js';
import { optimiseFromNowOn, optimiseNot } from '../util/own-program.js';

/**
 * Runs cridock until a signal ends it, or an error after which its state is suspect; answers the exit code. `readConfig` reads the configuration anew for SIGHUP and
 * throws when it cannot be used: then everything stays as it is.
 */
export async function run(config: Config, readConfig: () => Config): Promise<number> {
  const toJournal = isJournal(process.env['JOURNAL_STREAM']);
  const log = createLogger({ level: config.logLevel, format: config.logFormat, toJournal });
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
  const stopped = deferred();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    optimiseNot();
    stopping ??= notifier.stopping(config.shutdownGraceMs).then(() => app.stop());
    stopping.then(stopped.resolve, stopped.reject);
    return stopped.promise;
  };
  onSignals({ stop, reload }, log);
  await app.start();
  await notifier.ready();
  if (stopping === undefined) optimiseFromNowOn();
  void checkConnections(log);
  let exitCode = 0;
  const drain = (): Promise<void> => {
    exitCode = EXIT_SOFTWARE;
    return stop();
  };
  const forgetStrayErrors = onStrayErrors({ drain }, log);
  await stopped.promise;
  forgetStrayErrors();
  return exitCode;
}
