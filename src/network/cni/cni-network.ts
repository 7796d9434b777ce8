import { forEachLimited } from '../../util/concurrency.js';
import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { KeyedMutex } from '../../util/keyed-mutex.js';
import type { Logger } from '../../util/log.js';
import type { NetworkCondition, PodNetwork, PodNetworkRequest, PodNetworkResult } from '../network.js';
import { goneSandbox, loopbackOf, newAttachment, POD_INTERFACE, type Attachment } from './attachment.js';
import { AttachmentCache } from './cache.js';
import { bandwidthArgs, capabilityArgs, declaredArgs } from './capabilities.js';
import { PluginChain, type OnCniOperation } from './chain.js';
import { ConfigSource } from './config-source.js';
import { GcGate } from './gc-gate.js';
import type { JsonObject } from './json-object.js';
import type { NetworkConfig } from './network-config.js';
import { containerAddresses } from './result.js';
import { StatusProbe } from './status-probe.js';
import { withinLimits } from './time-limit.js';

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
  onOperation?: OnCniOperation;
}

/** As in cri-dockerd. */
const DEFAULT_PLUGIN_TIMEOUT_MS = 220_000;
/** How long a failed attempt to attach may take to be undone; what is left is undone by `tearDown` or `gc`. */
const ROLLBACK_TIMEOUT_MS = 30_000;
const GC_CONCURRENCY = 4;

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
  readonly #chain: PluginChain;
  readonly #statusProbe: StatusProbe;
  readonly #sandboxes = new KeyedMutex();
  readonly #gate = new GcGate();
  #podCidr: string;

  constructor(options: CniNetworkOptions) {
    this.#options = options;
    this.#timeoutMs = options.pluginTimeoutMs ?? DEFAULT_PLUGIN_TIMEOUT_MS;
    this.#log = options.log;
    this.#config = new ConfigSource(options.confDir, options.binDirs, options.log);
    this.#cache = new AttachmentCache(options.cacheDir, options.log);
    this.#chain = new PluginChain(options.binDirs, options.onOperation);
    this.#statusProbe = new StatusProbe(this.#chain);
    this.#podCidr = options.podCidr;
  }

  async start(): Promise<void> {
    await this.#config.read();
    await this.#cache.removeTemporary().catch((error: unknown) => {
      this.#log.warn('leftover temporary files of the CNI cache cannot be removed', {
        error: messageOf(error),
      });
    });
  }

  async stop(): Promise<void> {
    // Nothing runs between calls.
  }

  async condition(): Promise<NetworkCondition> {
    const content = await this.#config.read();
    const problem =
      content.network === undefined
        ? this.#config.explain(content)
        : await this.#statusProbe.problem(content.network.config);
    if (problem === undefined) return { ready: true, reason: '', message: '' };
    return { ready: false, reason: 'NetworkPluginNotReady', message: problem };
  }

  async setUp(request: PodNetworkRequest, signal?: AbortSignal): Promise<PodNetworkResult> {
    const what = `attaching sandbox ${request.sandboxId} to the network`;
    return this.#perSandbox(request.sandboxId, what, (limited) => this.#setUp(request, limited), signal);
  }

  async tearDown(request: PodNetworkRequest, signal?: AbortSignal): Promise<void> {
    const what = `detaching sandbox ${request.sandboxId} from the network`;
    await this.#perSandbox(request.sandboxId, what, (limited) => this.#tearDown(request, limited), signal);
  }

  async recorded(sandboxId: string): Promise<PodNetworkResult | undefined> {
    const attachments = await this.#cache.find(sandboxId);
    if (attachments.length === 0) return undefined;
    const result = attachments.find((attachment) => attachment.result !== undefined)?.result;
    return { ips: result === undefined ? [] : containerAddresses(result, POD_INTERFACE) };
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
    const recorded = await this.#cache.sandboxIds();
    const existing = await existingSandboxIds();
    const stale = new Set([...recorded].filter((sandboxId) => !existing.has(sandboxId)));
    await forEachLimited(stale, GC_CONCURRENCY, async (sandboxId) => {
      try {
        await this.tearDown(goneSandbox(sandboxId), signal);
        this.#log.info('detached a sandbox that does not exist any more', { sandboxId });
      } catch (error) {
        const fields = { sandboxId, error: messageOf(error) };
        this.#log.warn('a sandbox that does not exist any more cannot be detached', fields);
      }
    });
    await this.#gcPlugins(existing, stale, signal).catch((error: unknown) => {
      this.#log.warn('CNI garbage collection failed', { error: messageOf(error) });
    });
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

  async #setUp(request: PodNetworkRequest, signal: AbortSignal): Promise<PodNetworkResult> {
    const content = await this.#config.read();
    if (content.network === undefined) throw new CriError(Code.UNAVAILABLE, this.#config.explain(content));
    const network = content.network.config;
    const attachment = this.#newAttachment(network, request, bandwidthArgs(request.annotations));
    for (const left of await this.#cache.find(request.sandboxId)) await this.#detach(left, request, signal);
    if (!request.loopbackUp) await this.#chain.add(loopbackOf(attachment), signal);
    await this.#cache.write(attachment);
    try {
      const result = await this.#chain.add(attachment, signal);
      const ips = containerAddresses(result, POD_INTERFACE);
      if (ips.length === 0) {
        throw new CriError(Code.UNKNOWN, `CNI network ${network.name} gave the pod no address`);
      }
      await this.#cache.write({ ...attachment, result });
      return { ips };
    } catch (error) {
      await this.#rollBack(attachment, request);
      throw error;
    }
  }

  async #rollBack(attachment: Attachment, request: PodNetworkRequest): Promise<void> {
    const timeoutMs = Math.min(this.#timeoutMs, ROLLBACK_TIMEOUT_MS);
    try {
      await withinLimits({ timeoutMs }, 'detaching', (signal) => this.#detach(attachment, request, signal));
    } catch (error) {
      const fields = { sandboxId: request.sandboxId, error: messageOf(error) };
      this.#log.warn('a sandbox that could not be attached cannot be detached either', fields);
    }
  }

  async #tearDown(request: PodNetworkRequest, signal: AbortSignal): Promise<void> {
    const attachments = await this.#cache.find(request.sandboxId);
    if (attachments.length === 0) attachments.push(...(await this.#guessedAttachment(request)));
    for (const attachment of attachments) await this.#detach(attachment, request, signal);
    await this.#cache.removeLoopback(request.sandboxId);
  }

  /** Without a record, a sandbox may still be attached: to the network that is configured now, most likely. */
  async #guessedAttachment(request: PodNetworkRequest): Promise<Attachment[]> {
    const { network } = await this.#config.read();
    if (network !== undefined) return [this.#newAttachment(network.config, request, {})];
    this.#log.info('nothing is known of the network of a sandbox', { sandboxId: request.sandboxId });
    return [];
  }

  async #detach(
    attachment: Attachment,
    { netnsPath }: PodNetworkRequest,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#chain.del({ ...attachment, netnsPath }, signal);
    await this.#cache.remove(attachment);
  }

  #newAttachment(network: NetworkConfig, request: PodNetworkRequest, bandwidth: JsonObject): Attachment {
    const args = { ...capabilityArgs(request, this.#podCidr), ...bandwidth };
    return newAttachment(network, request, declaredArgs(network, args));
  }

  async #gcPlugins(
    existing: ReadonlySet<string>,
    stale: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { network } = await this.#config.read();
    if (network === undefined) return;
    const collect = async (limited: AbortSignal): Promise<void> => {
      const recorded = [...(await this.#cache.sandboxIds())];
      const valid = new Set([...existing, ...recorded.filter((sandboxId) => !stale.has(sandboxId))]);
      const attachments = [...valid].map((containerID) => ({ containerID, ifname: POD_INTERFACE }));
      await this.#chain.gc(network.config, attachments, limited);
    };
    await withinLimits({ timeoutMs: this.#timeoutMs, signal }, 'GC', (limited) =>
      this.#gate.gc(() => collect(limited), limited),
    );
  }

  async #perSandbox<T>(
    sandboxId: string,
    what: string,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return withinLimits({ timeoutMs: this.#timeoutMs, signal }, what, (limited) =>
      this.#sandboxes.run(sandboxId, () => this.#gate.attachment(() => work(limited), limited), limited),
    );
  }
}
