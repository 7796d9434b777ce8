/**
 * What a flag's value is, for the help and for the config file: `commas` is a text with commas between its parts, `list`
 * a flag that may be repeated.
 */
export type OptionKind = 'text' | 'boolean' | 'commas' | 'list';

export interface Option {
  readonly kind: OptionKind;
  /** Also shown in the help. A list has no default. */
  readonly default: string;
  readonly group:
    | 'Endpoints'
    | 'Pods and images'
    | 'Network'
    | 'Container logs'
    | 'Plugins'
    | 'Logging'
    | 'Accepted, but without effect';
  readonly describe: string;
  /** The words that it takes, where there are no others; for completion. */
  readonly words?: readonly string[];
}

/**
 * Every flag that the config file knows too, by name. They are cri-dockerd's, with its meanings and defaults, but for
 * `metrics-bind-addr`, `debug-socket`, `tracing-...`, `exec-orphan`, `restore-checkpoints`, `streaming-tls-...`,
 * `container-log-...`, `pinned-image`, `pod-infra-container-image-auth`, `restrict-oom-score-adj`, `nri-...` and `log-format`,
 * which are our own.
 */
export const OPTIONS = {
  'container-runtime-endpoint': {
    kind: 'text',
    default: 'unix:///var/run/cri-dockerd.sock',
    group: 'Endpoints',
    describe: 'Where to serve the CRI: unix:///path/to/socket, or fd:// for the sockets that systemd passes',
  },
  'docker-endpoint': {
    kind: 'text',
    default: 'unix:///var/run/docker.sock',
    group: 'Endpoints',
    describe:
      "Where Docker Engine serves its API; when empty, DOCKER_HOST and its kin say it, as for Docker's own clients",
  },
  'streaming-bind-addr': {
    kind: 'text',
    default: '',
    group: 'Endpoints',
    describe:
      'IP or IP:port that serves exec, attach and port-forward; when empty, 127.0.0.1 and any free port',
  },
  'metrics-bind-addr': {
    kind: 'text',
    default: '',
    group: 'Endpoints',
    describe:
      'IP:port that serves Prometheus metrics, /healthz and /readyz to anyone who reaches it; nothing is served when empty',
  },
  'debug-socket': {
    kind: 'text',
    default: '',
    group: 'Endpoints',
    describe:
      'Path of a socket, for root alone, that serves calls in flight, CPU profiles and heap snapshots of cridock over HTTP; nothing is served when empty',
  },
  'tracing-endpoint': {
    kind: 'text',
    default: '',
    group: 'Endpoints',
    describe:
      "host:port, or https://host:port for TLS, of a collector that takes the traces of CRI calls as OTLP over gRPC, as the kubelet's tracing.endpoint; none are made when empty",
  },
  'tracing-sampling-rate-per-million': {
    kind: 'text',
    default: '0',
    group: 'Endpoints',
    describe:
      'How many of a million calls are traced whose caller sends no trace context; those of a caller that does are traced as it says',
  },
  'streaming-tls-cert-file': {
    kind: 'text',
    default: '',
    group: 'Endpoints',
    describe:
      'Certificate chain (PEM) to serve exec, attach and port-forward over TLS; read anew when it changes',
  },
  'streaming-tls-private-key-file': {
    kind: 'text',
    default: '',
    group: 'Endpoints',
    describe: 'Private key (PEM) of the certificate',
  },
  'exec-orphan': {
    kind: 'text',
    words: ['kill', 'kill-tty', 'leave'],
    default: 'kill',
    group: 'Pods and images',
    describe:
      'What becomes of an exec whose client is gone: kill ends it, leave lets it run, kill-tty ends it if it has a terminal',
  },
  'shutdown-grace': {
    kind: 'text',
    default: '10s',
    group: 'Endpoints',
    describe:
      'What open exec, attach and port-forward sessions get to end by themselves when cridock is stopped, before they are cut off',
  },
  'runtime-request-timeout': {
    kind: 'text',
    default: '0s',
    group: 'Endpoints',
    describe: 'The longest that a short request to the Engine may take; 0 means 1m59s',
  },
  'cri-dockerd-root-directory': {
    kind: 'text',
    default: '/var/lib/cri-dockerd',
    group: 'Pods and images',
    describe: 'Directory for what must survive a restart, such as sandbox checkpoints',
  },
  'pod-infra-container-image': {
    kind: 'text',
    default: 'registry.k8s.io/pause:3.10',
    group: 'Pods and images',
    describe: 'Image of the container that holds the namespaces of a pod; never removed by image collection',
  },
  'pod-infra-container-image-auth': {
    kind: 'text',
    default: '',
    group: 'Pods and images',
    describe:
      'Docker config file, such as /root/.docker/config.json, with credentials to pull the infra container image with',
  },
  'image-pull-progress-deadline': {
    kind: 'text',
    default: '1m0s',
    group: 'Pods and images',
    describe:
      'An image pull without any progress for this long is given up; while layers are unpacked, after ten times as long and an hour at least',
  },
  'pinned-image': {
    kind: 'list',
    default: '',
    group: 'Pods and images',
    describe: 'Image that must not be removed by image collection; may hold * and may be repeated',
  },
  'restrict-oom-score-adj': {
    kind: 'text',
    words: ['auto', 'true', 'false'],
    default: 'auto',
    group: 'Pods and images',
    describe:
      'Raise an oom_score_adj that lies below our own to our own: true, false, or auto for hosts that would refuse it',
  },
  'restore-checkpoints': {
    kind: 'boolean',
    default: 'false',
    group: 'Pods and images',
    describe:
      'Make containers from checkpoints where an image is one: whoever can name an image then says what runs with which rights',
  },
  'network-ahead': {
    kind: 'boolean',
    default: 'false',
    group: 'Network',
    describe:
      'Attach pods to their network while their sandbox starts, and not after: it takes CNI and the companion runtime',
  },
  'network-plugin': {
    kind: 'text',
    words: ['cni', ''],
    default: 'cni',
    group: 'Network',
    describe: "cni, or '' (also no-op) for Docker's default bridge",
  },
  'cni-conf-dir': {
    kind: 'text',
    default: '/etc/cni/net.d',
    group: 'Network',
    describe: 'Directory with CNI network configurations',
  },
  'cni-bin-dir': {
    kind: 'commas',
    default: '/opt/cni/bin',
    group: 'Network',
    describe: 'Directories with CNI plugins, separated by commas',
  },
  'cni-cache-dir': {
    kind: 'text',
    default: '/var/lib/cni/cache',
    group: 'Network',
    describe: 'Directory for the results of CNI plugins',
  },
  'pod-cidr': {
    kind: 'commas',
    default: '',
    group: 'Network',
    describe:
      'Networks for pod addresses, separated by commas, for CNI plugins that take them from the runtime',
  },
  'container-log-mode': {
    kind: 'text',
    words: ['cri', 'symlink'],
    default: 'cri',
    group: 'Container logs',
    describe:
      "cri: write the files that the kubelet reads and rotates; symlink: link them to Docker's own, as cri-dockerd does",
  },
  'container-log-driver': {
    kind: 'text',
    words: ['auto', 'daemon', 'local', 'json-file', 'journald'],
    default: 'auto',
    group: 'Container logs',
    describe:
      "Driver of the Engine's own copy: local, json-file, journald, or daemon for what the Engine is set to; auto is local (json-file before API 1.42), and daemon with symlink",
  },
  'container-log-max-size': {
    kind: 'text',
    default: '16m',
    group: 'Container logs',
    describe: "Size of a file of the Engine's own copy (local and json-file), as 500k, 16m or 1g",
  },
  'container-log-max-files': {
    kind: 'text',
    default: '3',
    group: 'Container logs',
    describe: "Number of files of the Engine's own copy (local and json-file), 2 or more",
  },
  'nri-disable': {
    kind: 'boolean',
    default: 'false',
    group: 'Plugins',
    describe: 'Serve no plugins of the Node Resource Interface (NRI)',
  },
  'nri-socket': {
    kind: 'text',
    default: '/var/run/nri/nri.sock',
    group: 'Plugins',
    describe: 'Path of the socket, for root alone, that NRI plugins connect to; none may connect when empty',
  },
  'nri-plugin-path': {
    kind: 'text',
    default: '/opt/nri/plugins',
    group: 'Plugins',
    describe: 'Directory of the NRI plugins that cridock starts, named NN-name; none are when empty',
  },
  'nri-plugin-config-path': {
    kind: 'text',
    default: '/etc/nri/conf.d',
    group: 'Plugins',
    describe:
      'Directory with the configurations of the NRI plugins that cridock starts, NN-name.conf or name.conf',
  },
  'nri-plugin-registration-timeout': {
    kind: 'text',
    default: '5s',
    group: 'Plugins',
    describe: 'What an NRI plugin gets to register, and to take in what there is',
  },
  'nri-plugin-request-timeout': {
    kind: 'text',
    default: '2s',
    group: 'Plugins',
    describe:
      'What an NRI plugin gets to answer; one that takes longer loses its connection, unless it asks to keep it',
  },
  'log-level': {
    kind: 'text',
    words: ['panic', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'],
    default: 'info',
    group: 'Logging',
    describe: 'panic, fatal, error, warn, info, debug or trace',
  },
  'log-format': {
    kind: 'text',
    words: ['text', 'json'],
    default: 'text',
    group: 'Logging',
    describe: 'text or json',
  },
  'hairpin-mode': {
    kind: 'text',
    words: ['promiscuous-bridge', 'hairpin-veth', 'none'],
    default: 'none',
    group: 'Accepted, but without effect',
    describe:
      'Was for kubenet: promiscuous-bridge, hairpin-veth or none; CNI plugins have settings of their own',
  },
  'ipv6-dual-stack': {
    kind: 'boolean',
    default: 'false',
    group: 'Accepted, but without effect',
    describe: 'All addresses of a pod are reported, whether it is given or not',
  },
  'network-plugin-mtu': {
    kind: 'text',
    default: '0',
    group: 'Accepted, but without effect',
    describe: 'Was for kubenet; CNI configurations have a setting of their own',
  },
  'runtime-cgroups': {
    kind: 'text',
    default: '',
    group: 'Accepted, but without effect',
    describe: "Moved the Engine into a cgroup; that is its service manager's business",
  },
} as const satisfies Readonly<Record<string, Option>>;

export type OptionName = keyof typeof OPTIONS;

export const OPTION_NAMES: readonly OptionName[] = Object.keys(OPTIONS).filter(isOptionName);

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** The environment's variable for a flag: `cni-conf-dir` is `CRIDOCK_CNI_CONF_DIR`. */
export function variableName(name: string): string {
  return `CRIDOCK_${name.replaceAll('-', '_').toUpperCase()}`;
}

/** The key of the config file for a flag: `cni-conf-dir` is `cniConfDir`. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Options as they were written, each with the place that it comes from. */
export type GivenOptions = ReadonlyMap<OptionName, GivenOption>;

export interface GivenOption {
  /** One text, or those of a list. */
  readonly values: readonly string[];
  /** For messages: `--pod-cidr`, `CRIDOCK_POD_CIDR`, or `/etc/cridock/config.yaml: podCidr`. */
  readonly source: string;
}
