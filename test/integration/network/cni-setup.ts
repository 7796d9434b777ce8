import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CniNetwork, type CniNetworkOptions } from '../../../src/network/cni/cni-network.js';
import type { PodDetachRequest, PodNetworkRequest } from '../../../src/network/network.js';
import type { Logger } from '../../../src/util/log.js';

/** One run of a scripted plugin, as it saw it. */
export interface PluginCall {
  plugin: string;
  command: string;
  containerId: string;
  netns: string;
  ifName: string;
  args: string;
  path: string;
  input: Record<string, unknown>;
}

/** A log line that was written. */
export interface LoggedLine {
  level: 'error' | 'warn' | 'info';
  message: string;
  fields: Record<string, unknown>;
}

/** Folders of a CNI installation of its own, gone after `dispose`. */
export class CniSetup {
  readonly root: string;
  readonly confDir: string;
  readonly binDir: string;
  readonly cacheDir: string;
  readonly logged: LoggedLine[] = [];

  private constructor(root: string) {
    this.root = root;
    this.confDir = join(root, 'net.d');
    this.binDir = join(root, 'bin');
    this.cacheDir = join(root, 'cache');
  }

  static async make(): Promise<CniSetup> {
    const setup = new CniSetup(await mkdtemp(join(tmpdir(), 'cni-')));
    await mkdir(setup.confDir);
    await mkdir(setup.binDir);
    return setup;
  }

  async dispose(): Promise<void> {
    await rm(this.root, { recursive: true });
  }

  network(options: Partial<CniNetworkOptions> = {}): CniNetwork {
    const { confDir, binDir, cacheDir } = this;
    return new CniNetwork({
      confDir,
      binDirs: [binDir],
      cacheDir,
      podCidr: '',
      log: this.#logger(),
      ...options,
    });
  }

  async configure(name: string, config: unknown): Promise<void> {
    await writeFile(join(this.confDir, name), typeof config === 'string' ? config : JSON.stringify(config));
  }

  /** Installs a shell script as a plugin: it records its call, then runs `body`, which finds its input in $input. */
  async installScript(plugin: string, body: string): Promise<void> {
    const call = [
      `{"plugin":"${plugin}","command":"'$CNI_COMMAND'","containerId":"'$CNI_CONTAINERID'","netns":"'$CNI_NETNS'"`,
      `"ifName":"'$CNI_IFNAME'","args":"'$CNI_ARGS'","path":"'$CNI_PATH'","input":'"$input"'}`,
    ].join(',');
    const script = `#!/bin/sh\ninput=$(cat)\necho '${call}' >> ${join(this.root, 'calls')}\n${body}\n`;
    await writeFile(join(this.binDir, plugin), script, { mode: 0o755 });
  }

  async calls(): Promise<PluginCall[]> {
    const text = await readFile(join(this.root, 'calls'), 'utf8').catch(() => '');
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as PluginCall);
  }

  /** The calls in short, as `ADD bridge`. */
  async commands(): Promise<string[]> {
    return (await this.calls()).map(({ command, plugin }) => `${command} ${plugin}`);
  }

  async forgetCalls(): Promise<void> {
    await rm(join(this.root, 'calls'), { force: true });
  }

  /** The names of the cache's files. */
  async records(): Promise<string[]> {
    return readdir(join(this.cacheDir, 'results')).catch(() => []);
  }

  #logger(): Logger {
    const at =
      (level: LoggedLine['level']) =>
      (message: string, fields: Record<string, unknown> = {}) =>
        void this.logged.push({ level, message, fields });
    const logger: Logger = {
      error: at('error'),
      warn: at('warn'),
      info: at('info'),
      debug: () => undefined,
      child: () => logger,
    };
    return logger;
  }
}

/** Prints an ADD result with this address, and nothing for other commands. */
export function givesAddress(address: string): string {
  const result = JSON.stringify({ cniVersion: '1.0.0', ips: [{ address }] });
  return `if [ "$CNI_COMMAND" = ADD ]; then echo '${result}'; fi`;
}

/** The same pod, as it is detached. */
export function detaching({ portMappings, ...pod }: PodNetworkRequest): PodDetachRequest {
  return { ...pod, portMappings: () => Promise.resolve(portMappings) };
}

/** A request for a pod with a sandbox id of 64 times this hex digit. */
export function podRequest(digit: string, members: Partial<PodNetworkRequest> = {}): PodNetworkRequest {
  return {
    sandboxId: digit.repeat(64),
    podName: 'web-0',
    podNamespace: 'shop',
    podUid: 'uid-1',
    annotations: {},
    portMappings: [],
    cgroupParent: '',
    netnsPath: '/proc/4711/ns/net',
    loopbackUp: true,
    ...members,
  };
}
