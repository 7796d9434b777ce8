import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { KeyedMutex } from '../../util/keyed-mutex.js';
import type { Logger } from '../../util/log.js';
import { unlessAborted } from '../../util/unless-aborted.js';
import type {
  NetworkCondition,
  NewNamespace,
  PodDetachRequest,
  PodNetwork,
  PodNetworkPlan,
  PodNetworkRequest,
  PodNetworkResult,
  RecordedNetwork,
} from '../network.js';
import {
  atPath,
  goneSandbox,
  loopbackOf,
  newAttachment,
  POD_INTERFACE,
  type Attachment,
} from './attachment.js';
import { AttachmentCache } from './cache.js';
import { bandwidthArgs, capabilityArgs, declaredArgs } from './capabilities.js';
import { PluginChain, type OnCniOperation } from './chain.js';
import { ConfigSource } from './config-source.js';
import { GcGate } from './gc-gate.js';
import type { JsonObject } from './json-object.js';
import type { NetworkConfig } from './network-config.js';
import { containerAddresses } from './result.js';
import { PluginGc } from './plugin-gc.js';
import { SharedRunner } from './shared-runner.js';
import { StatusProbe } from './status-probe.js';
import { withinLimits } from './time-limit.js';
import { detachVanished } from './vanished.js';

export interface CniNetworkOptions {
  /** The folder of network configurations, such as `/etc/cni/net.d`. */
  confDir: string;
  /** The folders of plugin binaries, searched in order. */
  binDirs: string[];
  /** Where attachments are recorded, such as `/var/lib/cni/cache`. No other runtime may use it. */
  cacheDir: string;
  /** The node's pod CIDRs, separated by commas, for plugins with the `ipRanges` capability; '' when not known. */
  podCidr: string;
  log: Logger;
  /** How long all plugins together may take to attach or detach one pod. */
  pluginTimeoutMs?: number;
  /** How long they may take to collect garbage. */
  gcTimeoutMs?: number;
  onOperation?: OnCniOperation;
}

/** As in cri-dockerd. */
const DEFAULT_PLUGIN_TIMEOUT_MS = 220_000;
/** How long a failed attempt to attach may take to be undone; what is left is undone by `tearDown` or `gc`. */
const ROLLBACK_TIMEOUT_MS = 30_000;

/**
 * Pod networking by CNI plugins. A pod is attached to the network that is configured now, and detached with the
 * configuration that it was attached with.
 */
export class CniNetwork implements PodNetwork {
  readonly sandboxNetworkMode = 'none';
  readonly #options: CniNetworkOptions;
  readonly #timeoutMs: number;
  readonly #log: Logger;
  readonly #config: ConfigSource;
  readonly #cache: AttachmentCache;
  readonly #plugins: SharedRunner;
  readonly #chain: PluginChain;
  readonly #statusProbe: StatusProbe;
  readonly #sandboxes = new KeyedMutex();
  /** What `prepare` has recorded, by sandbox id, until that is attached or detached. */
  readonly #prepared = new Map<string, Attachment>();
  readonly #gate = new GcGate();
  readonly #pluginGc: PluginGc;
  readonly #stopping = new AbortController();
  /** Everything that may have a plugin running. */
  readonly #running = new Set<Promise<unknown>>();
  #gcRunning: Promise<void> | undefined;
  #podCidr: string;

  constructor(options: CniNetworkOptions) {
    this.#options = options;
    this.#timeoutMs = options.pluginTimeoutMs ?? DEFAULT_PLUGIN_TIMEOUT_MS;
    this.#log = options.log;
    this.#config = new ConfigSource(options.confDir, options.binDirs, options.log);
    this.#cache = new AttachmentCache(options.cacheDir, options.log);
    this.#plugins = new SharedRunner(options.log);
    this.#chain = new PluginChain(options.binDirs, this.#plugins, options.onOperation);
    this.#statusProbe = new StatusProbe(this.#chain);
    this.#pluginGc = new PluginGc({
      chain: this.#chain,
      gate: this.#gate,
      log: options.log,
      stopping: this.#stopping.signal,
      timeoutMs: options.gcTimeoutMs,
    });
    this.#podCidr = options.podCidr;
  }

  async start(): Promise<void> {
    void this.#plugins.ready();
    await this.#config.read();
    await this.#cache.removeTemporary().catch((error: unknown) => {
      this.#log.warn('leftover temporary files of the CNI cache cannot be removed', {
        error: messageOf(error),
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new CriError(Code.UNAVAILABLE, 'cridock is stopping'));
    await Promise.allSettled(this.#running);
    this.#plugins.close();
  }

  async condition(): Promise<NetworkCondition> {
    const content = await this.#config.read();
    const problem =
      content.network === undefined
        ? this.#config.explain(content)
        : await this.#track(this.#statusProbe.problem(content.network.config, this.#stopping.signal));
    if (problem === undefined) return { ready: true, reason: '', message: '' };
    return { ready: false, reason: 'NetworkPluginNotReady', message: problem };
  }

  async prepare(plan: PodNetworkPlan, signal?: AbortSignal): Promise<void> {
    const what = `preparing the network of sandbox ${plan.sandboxId}`;
    await this.#perSandbox(
      plan.sandboxId,
      what,
      async (limited) => {
        this.#prepared.set(plan.sandboxId, await this.#prepare(plan, '', limited));
      },
      signal,
    );
  }

  async newNamespace(): Promise<NewNamespace | undefined> {
    return this.#plugins.newNamespace();
  }

  async setUp(request: PodNetworkRequest, signal?: AbortSignal): Promise<PodNetworkResult> {
    const what = `attaching sandbox ${request.sandboxId} to the network`;
    return this.#perSandbox(request.sandboxId, what, (limited) => this.#setUp(request, limited), signal);
  }

  async tearDown(request: PodDetachRequest, signal?: AbortSignal): Promise<void> {
    const what = `detaching sandbox ${request.sandboxId} from the network`;
    await this.#perSandbox(request.sandboxId, what, (limited) => this.#tearDown(request, limited), signal);
  }

  async forget(sandboxId: string): Promise<void> {
    await this.#cache.forget(sandboxId);
  }

  async recorded(sandboxId: string): Promise<RecordedNetwork | undefined> {
    const attachments = await this.#cache.find(sandboxId);
    const none = { ips: [], netnsPath: '' };
    if (attachments.length === 0) return (await this.#cache.isDetached(sandboxId)) ? none : undefined;
    const attached = attachments.find(({ result }) => result !== undefined);
    if (attached?.result === undefined) return none;
    return { ips: containerAddresses(attached.result, POD_INTERFACE), netnsPath: attached.netnsPath };
  }

  async check(sandboxId: string, netnsPath: string, signal?: AbortSignal): Promise<void> {
    const check = async (limited: AbortSignal): Promise<void> => {
      const attachments = await this.#cache.find(sandboxId);
      const attachment = attachments.find(({ result }) => result !== undefined);
      if (attachment === undefined)
        throw new CriError(Code.NOT_FOUND, `sandbox ${sandboxId} is not attached`);
      await this.#chain.check({ ...attachment, netnsPath }, limited);
    };
    await this.#perSandbox(sandboxId, `checking the network of sandbox ${sandboxId}`, check, signal);
  }

  async gc(existingSandboxIds: () => Promise<ReadonlySet<string>>, signal?: AbortSignal): Promise<void> {
    this.#gcRunning ??= this.#track(this.#gc(existingSandboxIds, signal)).finally(() => {
      this.#gcRunning = undefined;
    });
    await this.#gcRunning;
  }

  setPodCidr(podCidr: string): void {
    this.#podCidr = podCidr;
  }

  describe(): Record<string, unknown> {
    const { confDir, binDirs, cacheDir } = this.#options;
    const { network, problems } = this.#config.last;
    return {
      confDir,
      binDirs,
      cacheDir,
      podCidr: this.#podCidr,
      configFile: network?.path ?? '',
      network: network?.config.name ?? '',
      cniVersion: network?.config.cniVersion ?? '',
      plugins: network?.config.plugins.map(({ type }) => type) ?? [],
      problems,
    };
  }

  async #gc(
    existingSandboxIds: () => Promise<ReadonlySet<string>>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const detach = (sandboxId: string): Promise<void> => this.tearDown(goneSandbox(sandboxId), signal);
    const valid = await detachVanished(this.#cache, this.#log, existingSandboxIds, detach);
    const { network } = await this.#config.read();
    if (network === undefined) return;
    await this.#pluginGc.run(network.config, valid, signal);
  }

  async #prepare(plan: PodNetworkPlan, netnsPath: string, signal: AbortSignal): Promise<Attachment> {
    const content = await this.#config.read();
    if (content.network === undefined) throw new CriError(Code.UNAVAILABLE, this.#config.explain(content));
    const attachment = this.#newAttachment(content.network.config, plan, bandwidthArgs(plan.annotations));
    for (const left of await this.#cache.find(plan.sandboxId)) await this.#detach(left, netnsPath, signal);
    await this.#cache.write(attachment);
    await this.#cache.forget(plan.sandboxId);
    return attachment;
  }

  async #setUp(request: PodNetworkRequest, signal: AbortSignal): Promise<PodNetworkResult> {
    const { sandboxId, netnsPath } = request;
    const prepared = this.#prepared.get(sandboxId) ?? (await this.#prepare(request, netnsPath, signal));
    this.#prepared.delete(sandboxId);
    const attachment = { ...prepared, netnsPath };
    try {
      if (!request.loopbackUp) await this.#chain.add(loopbackOf(attachment), signal);
      const result = await this.#chain.add(attachment, signal);
      const ips = containerAddresses(result, POD_INTERFACE);
      if (ips.length === 0) {
        throw new CriError(Code.UNKNOWN, `CNI network ${attachment.network.name} gave the pod no address`);
      }
      const lasting = request.lastingNetnsPath && (await unlessAborted(request.lastingNetnsPath(), signal));
      const attached = { ...attachment, result };
      await this.#cache.write(lasting === undefined ? attached : atPath(attached, lasting));
      return { ips };
    } catch (error) {
      await this.#rollBack(attachment);
      throw error;
    }
  }

  async #rollBack(attachment: Attachment): Promise<void> {
    const timeoutMs = Math.min(this.#timeoutMs, ROLLBACK_TIMEOUT_MS);
    const limits = { timeoutMs, signals: [this.#stopping.signal] };
    try {
      await withinLimits(limits, 'detaching', (signal) =>
        this.#detach(attachment, attachment.netnsPath, signal),
      );
    } catch (error) {
      const fields = { sandboxId: attachment.containerId, error: messageOf(error) };
      this.#log.warn('a sandbox that could not be attached cannot be detached either', fields);
    }
  }

  async #tearDown(request: PodDetachRequest, signal: AbortSignal): Promise<void> {
    this.#prepared.delete(request.sandboxId);
    const attachments = await this.#cache.find(request.sandboxId);
    if (attachments.length === 0) {
      if (await this.#cache.isDetached(request.sandboxId)) return;
      attachments.push(...(await this.#guessedAttachment(request)));
    }
    for (const attachment of attachments) await this.#detach(attachment, request.netnsPath, signal);
    await this.#cache.removeLoopback(request.sandboxId);
  }

  /** Without a record, a sandbox may still be attached: to the network that is configured now, most likely. */
  async #guessedAttachment(request: PodDetachRequest): Promise<Attachment[]> {
    const { network } = await this.#config.read();
    if (network !== undefined) {
      const plan = { ...request, portMappings: await request.portMappings() };
      return [this.#newAttachment(network.config, plan, {})];
    }
    this.#log.info('nothing is known of the network of a sandbox', { sandboxId: request.sandboxId });
    return [];
  }

  async #detach(attachment: Attachment, netnsPath: string, signal: AbortSignal): Promise<void> {
    await this.#chain.del({ ...attachment, netnsPath }, signal);
    await this.#cache.setDetached(attachment);
  }

  #newAttachment(network: NetworkConfig, plan: PodNetworkPlan, bandwidth: JsonObject): Attachment {
    const args = { ...capabilityArgs(plan, this.#podCidr), ...bandwidth };
    return newAttachment(network, plan, declaredArgs(network, args));
  }

  async #perSandbox<T>(
    sandboxId: string,
    what: string,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const limits = { timeoutMs: this.#timeoutMs, signals: [signal, this.#stopping.signal] };
    return this.#track(
      withinLimits(limits, what, (limited) =>
        this.#sandboxes.run(sandboxId, () => this.#gate.attachment(() => work(limited), limited), limited),
      ),
    );
  }

  /** What `stop` waits for. */
  async #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    return work.finally(() => this.#running.delete(work));
  }
}
