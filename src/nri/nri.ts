import type { ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { ContainerEviction__Output } from '../gen/nri/pkg/api/v1alpha1/ContainerEviction.js';
import type { ContainerUpdate } from '../gen/nri/pkg/api/v1alpha1/ContainerUpdate.js';
import type { ContainerUpdate__Output } from '../gen/nri/pkg/api/v1alpha1/ContainerUpdate.js';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { within } from '../util/within.js';
import type { Plugin } from './plugin.js';
import {
  findPluginPrograms,
  startPluginProgram,
  type PluginFolders,
  type PluginProgram,
} from './plugin-programs.js';
import { Plugins } from './plugins.js';
import { NriProtocol } from './protocol.js';
import { registerPlugin, type StartedIdentity } from './registration.js';
import { synchronize, type NodeState } from './synchronize.js';
import { Told } from './told.js';

/** What plugins are served with. */
export interface NriOptions {
  readonly runtimeVersion: string;
  readonly folders: PluginFolders;
  readonly registrationTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly log: Logger;
  /** As `PluginOptions`. */
  readonly onCall: (plugin: string, event: string, code: string, durationMs: number) => void;
}

/** The node, as plugins learn of it and change it. */
export interface NriHost {
  /** Resolves once there is a state to tell of. */
  readonly ready: Promise<void>;
  /** All pods, and the containers that have not ended. */
  state(): Promise<NodeState>;
  /** Changes limits; answers the updates that failed. Never rejects. */
  update(updates: readonly ContainerUpdate__Output[], plugin: string): Promise<ContainerUpdate[]>;
  /** Ends containers. Never rejects. */
  evict(evictions: readonly ContainerEviction__Output[], plugin: string): Promise<void>;
}

/** Connections that have not registered yet; more are closed at once. */
const MAX_UNREGISTERED = 16;
const STOP_GRACE_MS = 1_000;

/**
 * The runtime's side of the Node Resource Interface: plugins that connect, and those that cridock starts, from their registration
 * until their connection ends. Nothing is loaded before the first one comes.
 */
export class Nri {
  readonly plugins = new Plugins();
  readonly told = new Told();
  /** Docker names of the pods that are being made, of which plugins are told when they are ready. */
  readonly making = new Set<string>();
  /** Why plugins cannot connect; undefined for nothing. */
  problem: string | undefined;
  readonly #options: NriOptions;
  readonly #host: () => NriHost;
  readonly #children = new Set<ChildProcess>();
  readonly #connections = new Set<Duplex>();
  #protocol: NriProtocol | undefined;
  #unregistered = 0;
  #isStopping = false;

  constructor(options: NriOptions, host: () => NriHost) {
    this.#options = options;
    this.#host = host;
  }

  /** True while nobody has to be told of anything. */
  get isIdle(): boolean {
    return this.plugins.isEmpty;
  }

  get protocol(): NriProtocol {
    this.#protocol ??= new NriProtocol();
    return this.#protocol;
  }

  /** Starts the plugins of the folder, once the Engine is there; nothing is made before they are there or have failed. */
  startPrograms(): void {
    this.plugins.gate.holdUntil(this.#startPrograms());
  }

  /** Takes a plugin that has connected. Resolves when it is told of events, or has failed to register, which is logged. */
  async connect(socket: Duplex, started?: StartedIdentity): Promise<void> {
    const { log } = this.#options;
    if (this.#isStopping || (this.#unregistered >= MAX_UNREGISTERED && started === undefined)) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    this.#unregistered += 1;
    let name = started && `${started.identity.index}-${started.identity.base}`;
    let plugin: Plugin | undefined;
    try {
      const protocol = this.protocol;
      const onNamed = (given: string): string => (name = given);
      const options = { ...this.#options, protocol, onNamed, onUpdate: this.#onUpdate };
      plugin = await registerPlugin(socket, options, started);
      await this.#join(plugin);
    } catch (error) {
      const reason = messageOf(error);
      plugin?.link.close(reason);
      log.warn('an NRI plugin could not register', { plugin: name, error: reason });
      // Who only looks whether somebody listens has no name.
      if (name !== undefined) this.plugins.refuse(name, reason);
    } finally {
      this.#unregistered -= 1;
    }
  }

  /** Cuts all off; those that cridock has started get `graceMs` to end by themselves. */
  async stop(graceMs = STOP_GRACE_MS): Promise<void> {
    this.#isStopping = true;
    this.plugins.stop();
    for (const socket of this.#connections) socket.destroy();
    const ends = [...this.#children].map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of this.#children) child.kill('SIGTERM');
    await within(graceMs, Promise.all(ends));
    for (const child of this.#children) child.kill('SIGKILL');
  }

  /** Tells it of all that is there; from then on it is told of what happens, and nothing is lost in between. */
  async #join(plugin: Plugin): Promise<void> {
    const { registrationTimeoutMs, log } = this.#options;
    const { gate, turn } = { gate: this.plugins.gate, turn: this.plugins.turn.bind(this.plugins) };
    const updates = await gate.alone(registrationTimeoutMs, () =>
      turn(async () => {
        const state = await this.#host().state();
        const asked = await synchronize(plugin, this.protocol, state, registrationTimeoutMs);
        this.told.synchronized(state);
        this.plugins.add(plugin);
        return asked;
      }),
    );
    const { events, name } = plugin;
    if (this.plugins.all.some((other) => other !== plugin && other.name === name)) {
      log.warn('two NRI plugins go by one name: both are told of events', { plugin: name });
    }
    log.info('an NRI plugin has registered', { plugin: name, events: events.join(',') });
    void plugin.link.closed.then((reason) => this.#leave(plugin, reason));
    // They wait for locks of pods, whose holders may wait until the plugins of the folder are there. containerd too lets what fails
    // of them be, and has it logged.
    if (updates.length > 0) void this.#host().update(updates, name);
  }

  #leave(plugin: Plugin, reason: string): void {
    this.plugins.remove(plugin, reason, plugin.link.isBroken);
    if (this.plugins.isEmpty) this.told.clear();
    if (!this.#isStopping) this.#options.log.warn('an NRI plugin is gone', { plugin: plugin.name, reason });
  }

  readonly #onUpdate = async (
    plugin: Plugin,
    { update, evict }: { update: ContainerUpdate__Output[]; evict: ContainerEviction__Output[] },
  ): Promise<{ failed: ContainerUpdate[] }> => {
    const host = this.#host();
    const failed = await host.update(update, plugin.name);
    await host.evict(evict, plugin.name);
    return { failed };
  };

  /** Each by itself; what fails is logged. */
  async #startPrograms(): Promise<void> {
    const { folders, log } = this.#options;
    try {
      const programs = await findPluginPrograms(folders, (plugin, error) =>
        log.error('an NRI plugin cannot be started', { plugin, error: messageOf(error) }),
      );
      if (programs.length === 0) return;
      await this.#host().ready;
      await Promise.all(programs.map((program) => this.#startProgram(program)));
    } catch (error) {
      log.error('the folder of NRI plugins cannot be read', { ...folders, error: messageOf(error) });
    }
  }

  async #startProgram(program: PluginProgram): Promise<void> {
    const { identity, config, path } = program;
    try {
      const { process: child, socket } = await startPluginProgram(program);
      // Whose connection ends is of no use any more; all are asked to end when cridock does.
      socket.once('close', () => this.#isStopping || child.kill('SIGKILL'));
      if (this.#isStopping) {
        child.kill('SIGKILL');
        return;
      }
      this.#children.add(child);
      child.once('exit', () => this.#children.delete(child));
      await this.connect(socket, { identity, config });
    } catch (error) {
      this.#options.log.error('an NRI plugin cannot be started', { plugin: path, error: messageOf(error) });
    }
  }
}
