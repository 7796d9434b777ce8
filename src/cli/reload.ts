import type { Config } from './config.js';
import { camelCase, type OptionName } from './options.js';

/** The settings that may change while the service runs. */
export type ReloadableConfig = Pick<Config, (typeof RELOADABLE)[number]>;

const RELOADABLE = [
  'logLevel',
  'podCidrs',
  'pinnedImages',
  'imagePullProgressDeadlineMs',
  'containerLogMode',
  'containerLogDriver',
  'containerLogMaxSize',
  'containerLogMaxFiles',
] as const;

export interface ConfigChange {
  /** What can be applied now; empty when nothing of it changed. */
  readonly now: Partial<ReloadableConfig>;
  /** The same for the log, each as `logLevel: info -> debug`. */
  readonly applied: readonly string[];
  /** The changed settings that only a restart applies, by their keys in the config file. */
  readonly afterRestart: readonly string[];
}

/** What a reload changes. */
export function compareConfigs(before: Config, after: Config): ConfigChange {
  const changed = (key: keyof Config): boolean => JSON.stringify(before[key]) !== JSON.stringify(after[key]);
  const now: Record<string, unknown> = {};
  for (const key of RELOADABLE) if (changed(key)) now[key] = after[key];
  const applied = configKeys(after)
    .filter((key) => key in now)
    .map((key) => `${fileKey(key)}: ${plainText(before[key])} -> ${plainText(after[key])}`);
  return {
    now,
    applied,
    afterRestart: configKeys(after)
      .filter((key) => changed(key) && !isReloadable(key))
      .map(fileKey),
  };
}

/** Settings whose key in the config file is not their name here. */
const FILE_KEYS: Readonly<Partial<Record<keyof Config, OptionName>>> = {
  endpoint: 'container-runtime-endpoint',
  streamingAddress: 'streaming-bind-addr',
  streamingTls: 'streaming-tls-cert-file',
  metricsAddress: 'metrics-bind-addr',
  tracing: 'tracing-endpoint',
  runtimeRequestTimeoutMs: 'runtime-request-timeout',
  shutdownGraceMs: 'shutdown-grace',
  rootDirectory: 'cri-dockerd-root-directory',
  imagePullProgressDeadlineMs: 'image-pull-progress-deadline',
  pinnedImages: 'pinned-image',
  cniBinDirs: 'cni-bin-dir',
  podCidrs: 'pod-cidr',
  nri: 'nri-socket',
};

/** The key that the operator knows a setting by. */
export function fileKey(key: keyof Config): string {
  const name = FILE_KEYS[key];
  return name === undefined ? key : camelCase(name);
}

function configKeys(config: Config): (keyof Config)[] {
  return Object.keys(config).filter((key): key is keyof Config => key in config && key !== 'notes');
}

function isReloadable(key: keyof Config): boolean {
  return RELOADABLE.some((reloadable) => reloadable === key);
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
