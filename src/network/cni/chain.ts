import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { measured } from '../../util/measured.js';
import type { Attachment } from './attachment.js';
import { runPlugin, type PluginRun } from './invoke.js';
import type { JsonObject } from './json-object.js';
import type { NetworkConfig, PluginConfig } from './network-config.js';
import { findPlugin } from './plugin-binary.js';
import { pluginEnvironment } from './plugin-environment.js';
import type { PluginProcesses } from './plugin-processes.js';
import { convertResult, parseResult } from './result.js';
import { isAtLeast } from './spec-version.js';

/** An attachment as GC names it. */
export interface ValidAttachment {
  containerID: string;
  ifname: string;
}

/** What can be asked of a network's plugins. */
export type CniCommand = PluginRun['command'];

/** Told of each operation that was run, once for all plugins of the chain, and of the code it failed with. */
export type OnCniOperation = (command: CniCommand, durationMs: number, code: Code | undefined) => void;

/**
 * Runs the plugins of a network one after the other (CNI section 3). All methods throw a CriError: UNKNOWN in the
 * words of the plugin that failed, or the code of the signal's reason.
 */
export class PluginChain {
  readonly #binDirs: readonly string[];
  readonly #processes: PluginProcesses;
  readonly #onOperation: OnCniOperation;

  /** @param binDirs the folders with plugin binaries */
  constructor(
    binDirs: readonly string[],
    processes: PluginProcesses,
    onOperation: OnCniOperation = () => undefined,
  ) {
    this.#binDirs = binDirs;
    this.#processes = processes;
    this.#onOperation = onOperation;
  }

  /** Runs ADD, each plugin on the result of the one before. Returns the last result. Undoes nothing. */
  async add(attachment: Attachment, signal: AbortSignal): Promise<JsonObject> {
    const { cniVersion, plugins } = attachment.network;
    return this.#measured('ADD', async () => {
      let result: JsonObject | undefined;
      for (const plugin of plugins) {
        const stdout = await this.#attach('ADD', attachment, plugin, result, signal);
        result = readResult(plugin, stdout, cniVersion);
      }
      return result ?? {};
    });
  }

  /** Runs DEL in reverse order with the result of ADD, as far as it is known. Stops at the first failure. */
  async del(attachment: Attachment, signal: AbortSignal): Promise<void> {
    const { network } = attachment;
    const prevResult = isAtLeast(network.cniVersion, '0.4.0') ? recordedResult(attachment) : undefined;
    await this.#measured('DEL', async () => {
      for (const plugin of network.plugins.toReversed()) {
        await this.#attach('DEL', attachment, plugin, prevResult, signal);
      }
    });
  }

  /** Runs CHECK, where the configuration's version has it and the configuration allows it. */
  async check(attachment: Attachment, signal: AbortSignal): Promise<void> {
    const { network } = attachment;
    if (network.disableCheck || !isAtLeast(network.cniVersion, '0.4.0')) return;
    await this.#measured('CHECK', async () => {
      for (const plugin of network.plugins) {
        await this.#attach('CHECK', attachment, plugin, recordedResult(attachment), signal);
      }
    });
  }

  /** Asks the plugins whether they can serve ADD, where the configuration's version has STATUS. */
  async status(network: NetworkConfig, signal: AbortSignal): Promise<void> {
    if (!isAtLeast(network.cniVersion, '1.1.0')) return;
    await this.#measured('STATUS', async () => {
      for (const plugin of network.plugins) await this.#run('STATUS', network, plugin, {}, {}, signal);
    });
  }

  /**
   * Tells the plugins which attachments are valid, where the configuration's version has GC and the configuration
   * allows it. All plugins are told; throws the first failure.
   */
  async gc(network: NetworkConfig, valid: ValidAttachment[], signal: AbortSignal): Promise<void> {
    if (network.disableGc || !isAtLeast(network.cniVersion, '1.1.0')) return;
    // The second name is the one that early implementations of 1.1.0 read.
    const members = { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid };
    await this.#measured('GC', async () => {
      const failures: unknown[] = [];
      for (const plugin of network.plugins) {
        await this.#run('GC', network, plugin, {}, members, signal).catch((error: unknown) =>
          failures.push(error),
        );
      }
      if (failures.length > 0) throw failures[0];
    });
  }

  async #measured<T>(command: CniCommand, work: () => Promise<T>): Promise<T> {
    return measured(work, (durationMs, code) => this.#onOperation(command, durationMs, code));
  }

  async #attach(
    command: CniCommand,
    attachment: Attachment,
    plugin: PluginConfig,
    prevResult: JsonObject | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const { network, containerId, ifName, netnsPath, cniArgs, capabilityArgs } = attachment;
    const env = {
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netnsPath,
      CNI_IFNAME: ifName,
      CNI_ARGS: cniArgs.map((pair) => pair.join('=')).join(';'),
    };
    const wanted = plugin.capabilities.filter((capability) => Object.hasOwn(capabilityArgs, capability));
    const runtimeConfig = Object.fromEntries(
      wanted.map((capability) => [capability, capabilityArgs[capability]]),
    );
    const members: JsonObject = {};
    if (wanted.length > 0) members['runtimeConfig'] = runtimeConfig;
    if (prevResult !== undefined) members['prevResult'] = prevResult;
    return this.#run(command, network, plugin, env, members, signal);
  }

  async #run(
    command: CniCommand,
    network: NetworkConfig,
    plugin: PluginConfig,
    env: Record<string, string>,
    members: JsonObject,
    signal: AbortSignal,
  ): Promise<string> {
    const { type, body } = plugin;
    const path = findPlugin(type, this.#binDirs);
    if (path === undefined) {
      const text = `CNI plugin ${type}, ${command}: not installed in ${this.#binDirs.join(', ')}`;
      throw new CriError(Code.UNKNOWN, text);
    }
    // `capabilities` stays in, as libcni leaves it: meta plugins hand it on.
    const input = JSON.stringify({ ...body, ...members, name: network.name, cniVersion: network.cniVersion });
    const common = { CNI_COMMAND: command, CNI_PATH: this.#binDirs.join(':') };
    const ownEnv = pluginEnvironment(process.env);
    const run = { type, path, command, env: { ...ownEnv, ...common, ...env }, input, signal };
    return runPlugin(run, this.#processes);
  }
}

function readResult(plugin: PluginConfig, stdout: string, cniVersion: string): JsonObject {
  try {
    return parseResult(stdout, cniVersion);
  } catch (error) {
    const text = `CNI plugin ${plugin.type}, ADD: unusable result: ${messageOf(error)}`;
    throw new CriError(Code.UNKNOWN, text, { cause: error });
  }
}

/** The recorded result in the network's version, or undefined: plugins must cope without it. */
function recordedResult({ network, result }: Attachment): JsonObject | undefined {
  try {
    return result && convertResult(result, network.cniVersion);
  } catch {
    return undefined;
  }
}
