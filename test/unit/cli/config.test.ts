import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseCommandLine } from '../../../src/cli/command-line.js';
import { FILE_HEADER } from '../../../src/cli/config-file.js';
import { ConfigError, loadConfig } from '../../../src/cli/config.js';
import type { Config, SettingSources } from '../../../src/cli/config.js';
import { OPTIONS, OPTION_NAMES, camelCase, variableName } from '../../../src/cli/options.js';
import { printConfig } from '../../../src/cli/print-config.js';
import { compareConfigs, fileKey } from '../../../src/cli/reload.js';
import { configFiles } from '../../../src/cli/config-files.js';
import { importFlags } from '../../../src/cli/import-flags.js';

async function sources(argv: string[], env: Record<string, string> = {}): Promise<SettingSources> {
  const command = await parseCommandLine(argv, 'cridock');
  assert.ok(command.kind === 'serve');
  const { flags, configFile } = command.settings;
  return { flags, env, configFiles: configFile === undefined ? [] : [configFile] };
}

async function load(...argv: string[]): Promise<Config> {
  return loadConfig(await sources(argv));
}

async function problemsOf(...argv: string[]): Promise<readonly string[]> {
  try {
    await load(...argv);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('loadConfig', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'cri-config-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  /** A config file with these settings, or with this text. */
  function file(content: object | string): string {
    const path = join(directory, 'config.yaml');
    writeFileSync(
      path,
      typeof content === 'string' ? content : JSON.stringify({ ...FILE_HEADER, ...content }),
    );
    return path;
  }

  it("has cri-dockerd's defaults", async () => {
    assert.deepEqual(await load(), {
      endpoint: { kind: 'unix', path: '/var/run/cri-dockerd.sock' },
      dockerEndpoint: 'unix:///var/run/docker.sock',
      streamingAddress: { host: '127.0.0.1', port: 0 },
      streamingTls: undefined,
      execOrphan: 'kill',
      shutdownGraceMs: 10_000,
      metricsAddress: undefined,
      debugSocket: '',
      tracing: undefined,
      runtimeRequestTimeoutMs: 119_000,
      rootDirectory: '/var/lib/cri-dockerd',
      podInfraContainerImage: 'registry.k8s.io/pause:3.10',
      podInfraContainerImageAuth: '',
      restoreCheckpoints: false,
      networkAhead: false,
      imagePullProgressDeadlineMs: 60_000,
      pinnedImages: [],
      restrictOomScoreAdj: 'auto',
      networkPlugin: 'cni',
      cniConfDir: '/etc/cni/net.d',
      cniBinDirs: ['/opt/cni/bin'],
      cniCacheDir: '/var/lib/cni/cache',
      podCidrs: [],
      containerLogMode: 'cri',
      containerLogDriver: 'auto',
      containerLogMaxSize: '16m',
      containerLogMaxFiles: 3,
      nri: {
        socketPath: '/var/run/nri/nri.sock',
        pluginPath: '/opt/nri/plugins',
        pluginConfigPath: '/etc/nri/conf.d',
        registrationTimeoutMs: 5_000,
        requestTimeoutMs: 2_000,
      },
      logLevel: 'info',
      logFormat: 'text',
      notes: [],
    });
  });

  it('reads each flag', async () => {
    const config = await load(
      '--container-runtime-endpoint=fd://',
      '--docker-endpoint=tcp://127.0.0.1:2375',
      '--streaming-bind-addr=[::1]:10010',
      '--streaming-tls-cert-file=/crt',
      '--streaming-tls-private-key-file=/key',
      '--exec-orphan=leave',
      '--shutdown-grace=1m',
      '--debug-socket=/debug.sock',
      '--tracing-endpoint=https://collector:4317',
      '--tracing-sampling-rate-per-million=5000',
      '--runtime-request-timeout=4m',
      '--cri-dockerd-root-directory=/r',
      '--pod-infra-container-image=p:1',
      '--pod-infra-container-image-auth=/auth.json',
      '--restore-checkpoints',
      '--network-ahead',
      '--image-pull-progress-deadline=1m30s',
      '--pinned-image=a*',
      '--pinned-image=b',
      '--restrict-oom-score-adj=true',
      '--network-plugin=no-op',
      '--cni-conf-dir=/c',
      '--cni-bin-dir=/a,/b',
      '--cni-cache-dir=/d',
      '--pod-cidr=10.1.0.0/24,fd00::/64',
      '--container-log-mode=symlink',
      '--container-log-driver=json-file',
      '--container-log-max-size=500k',
      '--container-log-max-files=5',
      '--nri-disable',
      '--log-level=trace',
      '--log-format=json',
    );
    assert.deepEqual(config, {
      endpoint: { kind: 'systemd' },
      dockerEndpoint: 'tcp://127.0.0.1:2375',
      streamingAddress: { host: '::1', port: 10010 },
      streamingTls: { certFile: '/crt', keyFile: '/key' },
      execOrphan: 'leave',
      shutdownGraceMs: 60_000,
      metricsAddress: undefined,
      debugSocket: '/debug.sock',
      tracing: { endpoint: 'https://collector:4317', samplesPerMillion: 5000 },
      runtimeRequestTimeoutMs: 240_000,
      rootDirectory: '/r',
      podInfraContainerImage: 'p:1',
      podInfraContainerImageAuth: '/auth.json',
      restoreCheckpoints: true,
      networkAhead: true,
      imagePullProgressDeadlineMs: 90_000,
      pinnedImages: ['a*', 'b'],
      restrictOomScoreAdj: true,
      networkPlugin: 'docker-bridge',
      cniConfDir: '/c',
      cniBinDirs: ['/a', '/b'],
      cniCacheDir: '/d',
      podCidrs: ['10.1.0.0/24', 'fd00::/64'],
      containerLogMode: 'symlink',
      containerLogDriver: 'json-file',
      containerLogMaxSize: '500k',
      containerLogMaxFiles: 5,
      nri: undefined,
      logLevel: 'debug',
      logFormat: 'json',
      notes: [],
    });
  });

  it('notes flags that have no effect', async () => {
    const { notes } = await load(
      '--hairpin-mode=hairpin-veth',
      '--network-plugin-mtu=0',
      '--runtime-cgroups=/x',
    );
    assert.deepEqual(
      notes.map((note) => note.split('.')[0]),
      [
        '--hairpin-mode has no effect',
        '--network-plugin-mtu has no effect',
        '--runtime-cgroups has no effect',
      ],
    );
  });

  it('lists all problems at once', async () => {
    const problems = await problemsOf(
      '--container-runtime-endpoint=tcp://1.2.3.4:5',
      '--docker-endpoint=ssh://x',
      '--streaming-bind-addr=everywhere',
      '--runtime-request-timeout=5',
      '--image-pull-progress-deadline=0',
      '--network-plugin=kubenet',
      '--cni-conf-dir=net.d',
      '--cni-bin-dir=/a,b',
      '--pod-cidr=10.0.0.0/33',
      '--ipv6-dual-stack=yes',
      '--log-level=loud',
      '--log-format=xml',
      '--container-log-mode=x',
      '--container-log-driver=none',
      '--container-log-max-size=16',
      '--container-log-max-files=1',
      '--restrict-oom-score-adj=maybe',
      '--pod-infra-container-image=',
      '--hairpin-mode=x',
      '--network-plugin-mtu=x',
      '--cri-dockerd-root-directory=',
    );
    assert.deepEqual(problems.map((problem) => problem.split(':')[0]).sort(), [
      '--cni-bin-dir',
      '--cni-conf-dir',
      '--container-log-driver',
      '--container-log-max-files',
      '--container-log-max-size',
      '--container-log-mode',
      '--container-runtime-endpoint',
      '--cri-dockerd-root-directory',
      '--docker-endpoint',
      '--hairpin-mode',
      '--image-pull-progress-deadline',
      '--ipv6-dual-stack',
      '--log-format',
      '--log-level',
      '--network-plugin',
      '--network-plugin-mtu',
      '--pod-cidr',
      '--pod-infra-container-image',
      '--restrict-oom-score-adj',
      '--runtime-request-timeout',
      '--streaming-bind-addr',
    ]);
    assert.ok(problems.some((problem) => problem.includes('kubenet is not supported; use cni')));
  });

  it('lets flags win over the file, and the file over defaults', async () => {
    const path = file({
      logLevel: 'warn',
      podCidr: '10.2.0.0/16',
      ipv6DualStack: true,
      networkPluginMtu: 9,
      pinnedImage: ['a'],
    });
    const config = await load('--config', path, '--log-level=debug');
    assert.equal(config.logLevel, 'debug');
    assert.deepEqual(config.podCidrs, ['10.2.0.0/16']);
    assert.deepEqual(config.pinnedImages, ['a']);
    assert.match(config.notes.join('\n'), /config\.yaml: networkPluginMtu has no effect/);
  });

  it('reads YAML as a person writes it', async () => {
    const text = `# what this node needs
apiVersion: config.cridock.io/v1
kind: CridockConfiguration
cniBinDir:
  - /opt/cni/bin
  - /usr/lib/cni
podCidr: 10.1.0.0/24,fd00::/64
imagePullProgressDeadline: 90s
networkPlugin: ''
restrictOomScoreAdj: true
containerLogMaxFiles: 5
ipv6DualStack: false
`;
    const config = await load('--config', file(text));
    assert.deepEqual(config.cniBinDirs, ['/opt/cni/bin', '/usr/lib/cni']);
    assert.deepEqual(config.podCidrs, ['10.1.0.0/24', 'fd00::/64']);
    assert.equal(config.imagePullProgressDeadlineMs, 90_000);
    assert.equal(config.networkPlugin, 'docker-bridge');
    assert.equal(config.restrictOomScoreAdj, true);
    assert.equal(config.containerLogMaxFiles, 5);
  });

  it('lets flags win over the environment, and the environment over the file', async () => {
    const env = { CRIDOCK_LOG_LEVEL: 'error', CRIDOCK_POD_CIDR: '10.3.0.0/16', CRIDOCK_PINNED_IMAGE: 'a, b' };
    const path = file({ logLevel: 'warn', podCidr: '10.2.0.0/16', logFormat: 'json' });
    const config = loadConfig(await sources(['--config', path, '--log-level=debug'], env));
    assert.equal(config.logLevel, 'debug');
    assert.deepEqual(config.podCidrs, ['10.3.0.0/16']);
    assert.equal(config.logFormat, 'json');
    assert.deepEqual(config.pinnedImages, ['a', 'b']);
    await assert.rejects(
      async () => loadConfig(await sources([], { CRIDOCK_LOG_FORMAT: 'xml' })),
      /CRIDOCK_LOG_FORMAT: "xml" is none of text, json/,
    );
  });

  it('names what is wrong with the file by key', async () => {
    const path = file({
      logLevel: 'loud',
      'pod-cidr': '',
      logFormat: {},
      pinnedImage: 'a',
      cniBinDir: [1],
      ipv6DualStack: 'true',
      cniConfDir: null,
    });
    assert.deepEqual(await problemsOf('--config', path), [
      `${path}: pod-cidr: unknown key`,
      `${path}: logFormat: must be a text or a number`,
      `${path}: pinnedImage: must be a list of texts`,
      `${path}: cniBinDir: must be a list of texts, or a text with commas`,
      `${path}: ipv6DualStack: must be true or false`,
      `${path}: cniConfDir: must be a text or a number`,
      `${path}: logLevel: "loud" is none of panic, fatal, error, warn, warning, info, debug, trace`,
    ]);
  });

  it('wants to know what kind of file it is', async () => {
    const path = file('kind: KubeletConfiguration');
    assert.deepEqual(await problemsOf('--config', path), [
      `${path}: apiVersion: must be config.cridock.io/v1`,
      `${path}: kind: must be CridockConfiguration`,
    ]);
  });

  it('says so when the file cannot be read', async () => {
    assert.match(
      (await problemsOf('--config', '/nowhere.yaml'))[0] ?? '',
      /^--config \/nowhere\.yaml: ENOENT/,
    );
    const header = 'apiVersion: config.cridock.io/v1\nkind: CridockConfiguration\n';
    const unreadable: [string, RegExp][] = [
      ['{', /at line 1, column 2/],
      ['[]', /not a mapping of keys to values$/],
      ['', /not a mapping of keys to values$/],
      [`${header}logLevel: info\nlogLevel: debug`, /Map keys must be unique at line 4/],
      [`${header}logLevel: !!js/function x`, /Unresolved tag/],
      ['\0', /./],
    ];
    for (const [text, message] of unreadable) {
      assert.match((await problemsOf('--config', file(text)))[0] ?? '', message, text);
    }
  });

  it('knows every flag in the file and in the environment', async () => {
    for (const name of OPTION_NAMES) {
      const { kind, default: preset } = OPTIONS[name];
      const value = kind === 'boolean' ? false : kind === 'list' ? ['a'] : preset;
      assert.deepEqual(await problemsOf('--config', file({ [camelCase(name)]: value })), [], name);
      loadConfig(await sources([], { [variableName(name)]: String(value) }));
    }
  });

  it('prints settings with their sources, in a form that it reads itself', async () => {
    const path = file({ logLevel: 'warn', networkPlugin: '' });
    const given = await sources(
      ['--config', path, '--pod-cidr=10.0.0.0/8', '--pinned-image=a: b', '--ipv6-dual-stack=T'],
      { CRIDOCK_LOG_FORMAT: 'json' },
    );
    const printed = printConfig(given);
    const lines = [
      'apiVersion: config.cridock.io/v1',
      'kind: CridockConfiguration',
      `logLevel: warn # ${path}: logLevel`,
      `networkPlugin: "" # ${path}: networkPlugin`,
      'podCidr: 10.0.0.0/8 # --pod-cidr',
      'pinnedImage: ["a: b"] # --pinned-image',
      'ipv6DualStack: true # --ipv6-dual-stack',
      'logFormat: json # CRIDOCK_LOG_FORMAT',
      'cniConfDir: /etc/cni/net.d # default',
    ];
    for (const line of lines) assert.ok(printed.split('\n').includes(line), `${line} is not in\n${printed}`);
    // Every line of it is given now, those without effect too.
    const { notes } = await load('--config', file(printed));
    assert.deepEqual(await load('--config', file(printed)), { ...loadConfig(given), notes });
  });
});

describe('compareConfigs', () => {
  it('tells what applies now from what needs a restart', async () => {
    const before = await load();
    assert.deepEqual(compareConfigs(before, await load()), { now: {}, applied: [], afterRestart: [] });
    const after = await load(
      '--log-level=debug',
      '--pod-cidr=10.0.0.0/8',
      '--cni-conf-dir=/c',
      '--hairpin-mode=none',
    );
    assert.deepEqual(compareConfigs(before, after), {
      now: { logLevel: 'debug', podCidrs: ['10.0.0.0/8'] },
      applied: ['podCidr: [] -> ["10.0.0.0/8"]', 'logLevel: info -> debug'],
      afterRestart: ['cniConfDir'],
    });
  });

  it('names each setting by its key in the config file', async () => {
    const keys = Object.keys(await load()).filter((key) => key !== 'notes');
    const known = OPTION_NAMES.map((name) => camelCase(name));
    const unknown = keys.map((key) => fileKey(key as keyof Config)).filter((key) => !known.includes(key));
    assert.deepEqual(unknown, []);
  });
});

describe('config files', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'cri-config-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  it('are the standard one and those of conf.d beside it, unless another is named', () => {
    const standard = join(directory, 'config.yaml');
    assert.deepEqual(configFiles(undefined, standard), [], 'nothing is there');
    assert.deepEqual(configFiles(standard, standard), [standard], 'what is named must be there');
    writeFileSync(standard, '');
    mkdirSync(join(directory, 'conf.d'));
    for (const name of ['20-b.yaml', '10-a.yml', '.hidden.yaml', '30.yaml.off', 'README']) {
      writeFileSync(join(directory, 'conf.d', name), '');
    }
    const all = [standard, ...['10-a.yml', '20-b.yaml'].map((name) => join(directory, 'conf.d', name))];
    assert.deepEqual(configFiles(undefined, standard), all);
    assert.deepEqual(configFiles(standard, standard), all);
    assert.deepEqual(configFiles('/else/where.yaml', standard), ['/else/where.yaml']);
  });

  it('count more the later they come, and each problem names its file', () => {
    const write = (name: string, content: object): string => {
      const path = join(directory, name);
      writeFileSync(path, JSON.stringify({ ...FILE_HEADER, ...content }));
      return path;
    };
    const files = [
      write('1.yaml', { logLevel: 'debug', podCidr: '10.1.0.0/16' }),
      write('2.yaml', { logLevel: 'warn' }),
    ];
    const { logLevel, podCidrs } = loadConfig({ flags: new Map(), env: {}, configFiles: files });
    assert.deepEqual([logLevel, podCidrs], ['warn', ['10.1.0.0/16']]);
    const bad = write('3.yaml', { nonsense: 1 });
    assert.throws(
      () => loadConfig({ flags: new Map(), env: {}, configFiles: [...files, bad] }),
      (error: ConfigError) => error.problems.join() === `${bad}: nonsense: unknown key`,
    );
  });
});

describe('importFlags', () => {
  it('makes a config file of the flags of a unit, and tells what it leaves out', () => {
    const { text, settings, leftOut } = importFlags(
      [
        ...[
          '--container-runtime-endpoint',
          'fd://',
          '--network-plugin=',
          '--pod-cidr',
          '10.0.0.0/8,fd00::/64',
        ],
        ...[
          '--cri-dockerd-root-directory=/data/cri',
          '--ipv6-dual-stack',
          '--pinned-image=a',
          '--pinned-image',
          'b',
        ],
        ...['--nonsense=1', '--hairpin-mode=kubenet'],
      ],
      'a unit',
    );
    assert.deepEqual(leftOut[0], '--nonsense=1');
    assert.match(leftOut[1] ?? '', /--hairpin-mode: "kubenet" is none of/);
    assert.equal(settings, 5);
    const directory = mkdtempSync(join(tmpdir(), 'cri-config-'));
    try {
      const path = join(directory, 'imported.yaml');
      writeFileSync(path, text);
      const config = loadConfig({ flags: new Map(), env: {}, configFiles: [path] });
      assert.equal(config.networkPlugin, 'docker-bridge');
      assert.deepEqual(config.podCidrs, ['10.0.0.0/8', 'fd00::/64']);
      assert.equal(config.rootDirectory, '/data/cri');
      assert.deepEqual(config.pinnedImages, ['a', 'b']);
      assert.equal(config.endpoint.kind, 'unix', "the endpoint is the unit's own business");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
