import { messageOf } from '../util/cri-error.js';
import { parseEndpoint } from '../util/endpoint.js';
import type { Endpoint } from '../util/endpoint.js';
import type { LogLevel } from '../util/log.js';
import { readConfigFile } from './config-file.js';
import { OPTIONS, OPTION_NAMES, variableName } from './options.js';
import type { GivenOption, GivenOptions, OptionName } from './options.js';
import {
  parseAbsolutePath,
  parseBindAddress,
  parseBoolean,
  parseChoice,
  parseCidr,
  parseCollector,
  parseDockerEndpoint,
  parseDurationMs,
  parseImage,
  parseList,
  parseLogFiles,
  parseLogLevel,
  parseLogSize,
  parseMtu,
  parseNetworkPlugin,
  parsePerMillion,
  parsePositiveDurationMs,
} from './values.js';
import type { BindAddress, NetworkPlugin } from './values.js';

/** All settings, valid in form; whether files and sockets can be used shows when they are. */
export interface Config {
  readonly endpoint: Endpoint;
  /** `unix:///path`, `tcp://host:port`, or empty for what Docker's own clients take from the environment. */
  readonly dockerEndpoint: string;
  readonly streamingAddress: BindAddress;
  /** Undefined for plain HTTP. */
  readonly streamingTls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Whether containers may be made from checkpoints. */
  readonly restoreCheckpoints: boolean;
  /** Whether pods are attached to their network while their sandbox starts, where that can be. */
  readonly networkAhead: boolean;
  /** What becomes of an exec whose client is gone. */
  readonly execOrphan: 'kill' | 'kill-tty' | 'leave';
  /** Where to serve metrics and health; undefined for nowhere. */
  readonly metricsAddress: BindAddress | undefined;
  /** The path to serve debug data at, '' for nowhere. */
  readonly debugSocket: string;
  /** Where to send traces, as a URL, and how many of a million calls that no caller decides on; undefined for none. */
  readonly tracing: { readonly endpoint: string; readonly samplesPerMillion: number } | undefined;
  readonly runtimeRequestTimeoutMs: number;
  /** What streaming sessions get to end by themselves at a stop. */
  readonly shutdownGraceMs: number;
  readonly rootDirectory: string;
  readonly podInfraContainerImage: string;
  /** Path of the Docker config file with the credentials for it, '' for none. */
  readonly podInfraContainerImageAuth: string;
  readonly imagePullProgressDeadlineMs: number;
  readonly pinnedImages: readonly string[];
  /** Whether to raise an oom_score_adj below our own: `auto` where the host refuses it. */
  readonly restrictOomScoreAdj: 'auto' | boolean;
  readonly networkPlugin: NetworkPlugin;
  readonly cniConfDir: string;
  readonly cniBinDirs: readonly string[];
  readonly cniCacheDir: string;
  readonly podCidrs: readonly string[];
  readonly containerLogMode: 'cri' | 'symlink';
  readonly containerLogDriver: 'auto' | 'daemon' | 'local' | 'json-file' | 'journald';
  /** In Docker's form, such as `16m`. */
  readonly containerLogMaxSize: string;
  readonly containerLogMaxFiles: number;
  /** Plugins of the Node Resource Interface; undefined for none. Empty paths stand for no socket, and no folder. */
  readonly nri: NriSettings | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
  /** What the operator should know of the settings: a line for each flag that was given and has no effect. */
  readonly notes: readonly string[];
}

export interface NriSettings {
  readonly socketPath: string;
  readonly pluginPath: string;
  readonly pluginConfigPath: string;
  readonly registrationTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** The settings cannot be used; `problems` lists everything that is wrong with them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Exec, attach and port-forward are for the kubelet, which runs on this node. */
const LOOPBACK = '127.0.0.1';

/** cri-dockerd's request timeout where none is given: two minutes, less a second to answer in. */
const DEFAULT_REQUEST_TIMEOUT_MS = 119_000;

/** Where settings come from, in their order of precedence; what is in none of them has its default. */
export interface SettingSources {
  readonly flags: GivenOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What is in a later one counts more. */
  readonly configFiles: readonly string[];
}

/** Puts all settings together. Throws a ConfigError. */
export function loadConfig(sources: SettingSources): Config {
  const problems: string[] = [];
  const given = gatherOptions(sources, problems);

  // After a problem, the default stands in; nobody gets to see it.
  const read = <Value>(name: OptionName, parse: (text: string) => Value): Value => {
    const { values, source } = given.get(name) ?? { values: [OPTIONS[name].default], source: `--${name}` };
    try {
      return parse(values[0] ?? '');
    } catch (error) {
      problems.push(`${source}: ${messageOf(error)}`);
      return parse(OPTIONS[name].default);
    }
  };
  const optionalPath = (text: string): string => (text === '' ? '' : parseAbsolutePath(text));
  const certFile = read('streaming-tls-cert-file', optionalPath);
  const keyFile = read('streaming-tls-private-key-file', optionalPath);
  if ((certFile === '') !== (keyFile === '')) {
    problems.push('--streaming-tls-cert-file and --streaming-tls-private-key-file belong together');
  }
  const tracingEndpoint = read('tracing-endpoint', (text) => (text === '' ? '' : parseCollector(text)));
  const samplesPerMillion = read('tracing-sampling-rate-per-million', parsePerMillion);
  const nri: NriSettings = {
    socketPath: read('nri-socket', optionalPath),
    pluginPath: read('nri-plugin-path', optionalPath),
    pluginConfigPath: read('nri-plugin-config-path', optionalPath),
    registrationTimeoutMs: read('nri-plugin-registration-timeout', parsePositiveDurationMs),
    requestTimeoutMs: read('nri-plugin-request-timeout', parsePositiveDurationMs),
  };
  const config: Config = {
    endpoint: read('container-runtime-endpoint', parseEndpoint),
    dockerEndpoint: read('docker-endpoint', parseDockerEndpoint),
    streamingAddress: read('streaming-bind-addr', (text) => parseBindAddress(text === '' ? LOOPBACK : text)),
    streamingTls: certFile === '' ? undefined : { certFile, keyFile },
    restoreCheckpoints: read('restore-checkpoints', parseBoolean),
    networkAhead: read('network-ahead', parseBoolean),
    execOrphan: read('exec-orphan', (text) => parseChoice(text, ['kill', 'kill-tty', 'leave'])),
    metricsAddress: read('metrics-bind-addr', (text) => (text === '' ? undefined : parseBindAddress(text))),
    debugSocket: read('debug-socket', optionalPath),
    tracing: tracingEndpoint === '' ? undefined : { endpoint: tracingEndpoint, samplesPerMillion },
    shutdownGraceMs: read('shutdown-grace', parseDurationMs),
    runtimeRequestTimeoutMs: read('runtime-request-timeout', parseDurationMs) || DEFAULT_REQUEST_TIMEOUT_MS,
    rootDirectory: read('cri-dockerd-root-directory', parseAbsolutePath),
    podInfraContainerImage: read('pod-infra-container-image', parseImage),
    podInfraContainerImageAuth: read('pod-infra-container-image-auth', (text) =>
      text === '' ? '' : parseAbsolutePath(text),
    ),
    imagePullProgressDeadlineMs: read('image-pull-progress-deadline', parsePositiveDurationMs),
    pinnedImages: given.get('pinned-image')?.values ?? [],
    restrictOomScoreAdj: read('restrict-oom-score-adj', (text) =>
      text === 'auto' ? 'auto' : parseBoolean(text),
    ),
    networkPlugin: read('network-plugin', parseNetworkPlugin),
    cniConfDir: read('cni-conf-dir', parseAbsolutePath),
    cniBinDirs: read('cni-bin-dir', (text) => parseList(text).map(parseAbsolutePath)),
    cniCacheDir: read('cni-cache-dir', parseAbsolutePath),
    podCidrs: read('pod-cidr', (text) => parseList(text).map(parseCidr)),
    containerLogMode: read('container-log-mode', (text) => parseChoice(text, ['cri', 'symlink'])),
    containerLogDriver: read('container-log-driver', (text) =>
      parseChoice(text, ['auto', 'daemon', 'local', 'json-file', 'journald']),
    ),
    containerLogMaxSize: read('container-log-max-size', parseLogSize),
    containerLogMaxFiles: read('container-log-max-files', parseLogFiles),
    nri: read('nri-disable', parseBoolean) ? undefined : nri,
    logLevel: read('log-level', parseLogLevel),
    logFormat: read('log-format', (text) => parseChoice(text, ['text', 'json'])),
    notes: notesOn(given),
  };
  read('hairpin-mode', (text) => parseChoice(text, ['promiscuous-bridge', 'hairpin-veth', 'none']));
  read('network-plugin-mtu', parseMtu);
  read('ipv6-dual-stack', parseBoolean);
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/** The options that were given, each by its strongest source. Adds what is wrong with the files to `problems`. */
export function gatherOptions({ flags, env, configFiles }: SettingSources, problems: string[]): GivenOptions {
  const files = configFiles.flatMap((path) => [...readConfigFile(path, problems)]);
  return new Map([...files, ...readEnvironment(env), ...flags]);
}

/** Lists have commas between their items here. */
function readEnvironment(env: SettingSources['env']): GivenOptions {
  const given = new Map<OptionName, GivenOption>();
  for (const name of OPTION_NAMES) {
    const source = variableName(name);
    const text = env[source];
    if (text === undefined) continue;
    given.set(name, { values: OPTIONS[name].kind === 'list' ? parseList(text) : [text], source });
  }
  return given;
}

function notesOn(given: GivenOptions): string[] {
  const notes: string[] = [];
  for (const [name, { source }] of given) {
    const { group, describe } = OPTIONS[name];
    if (group === 'Accepted, but without effect') notes.push(`${source} has no effect. ${describe}`);
  }
  return notes;
}
