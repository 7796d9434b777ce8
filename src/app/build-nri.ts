import type { Config } from '../cli/config.js';
import { readBuildInfo } from '../cli/version.js';
import { Nri, type NriHost } from '../nri/nri.js';
import { listenOnUnixSocket } from '../server/unix-socket.js';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';

/** The plugins' side of cridock, which nobody is connected to yet. */
export interface BuiltNri {
  readonly nri: Nri;
  /** Listens for plugins, and starts those of the folder. What fails is logged: pods run without it. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** `host` is asked for once plugins come. */
export function buildNri(
  { nri: settings }: Config,
  metrics: MetricsSink,
  log: Logger,
  host: () => NriHost,
): BuiltNri {
  const nri = new Nri(
    {
      runtimeVersion: readBuildInfo().version,
      folders: { plugins: settings?.pluginPath ?? '', configs: settings?.pluginConfigPath ?? '' },
      registrationTimeoutMs: settings?.registrationTimeoutMs ?? 0,
      requestTimeoutMs: settings?.requestTimeoutMs ?? 0,
      log,
      onCall: (plugin, event, code, durationMs) => metrics.nriCall(plugin, event, code, durationMs),
    },
    host,
  );
  let listener: { close(): Promise<void> } | undefined;
  const listen = async (path: string): Promise<void> => {
    try {
      listener = await listenOnUnixSocket(path, (socket) => void nri.connect(socket), log, 'root');
    } catch (error) {
      nri.problem = messageOf(error);
      log.warn('NRI plugins cannot connect', { path, error: nri.problem });
    }
  };
  return {
    nri,
    start: async () => {
      if (settings === undefined) return;
      if (settings.pluginPath !== '') nri.startPrograms();
      if (settings.socketPath !== '') await listen(settings.socketPath);
    },
    stop: async () => {
      await listener?.close();
      await nri.stop();
    },
  };
}
