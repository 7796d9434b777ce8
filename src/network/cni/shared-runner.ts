import { existsSync } from 'node:fs';
import { Code, hasCode, messageOf } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import { ownHelper } from '../../util/own-program.js';
import { unlessAborted } from '../../util/unless-aborted.js';
import type { NewNamespace } from '../network.js';
import type { PluginExit, PluginProcesses, PluginProgram } from './plugin-processes.js';
import { PluginRunner } from './plugin-runner.js';
import { SpawnedPlugins } from './spawned-plugins.js';

/** The small helper, which the package brings: deploy/helper/plugin-runner.c. */
const HELPER = 'plugin-runner';
/** A start that took too long is tried again so much later, as who needs a plugin waits for it. */
const SLOW_START_PAUSE_MS = 5 * 60_000;

/**
 * Runs plugins by the small helper, which is started when it is first needed, again after it has died or was given up, and some
 * time after a start that took too long; by this process itself where there is no helper, or it cannot be started.
 */
export class SharedRunner implements PluginProcesses {
  readonly #log: Logger;
  readonly #slow = new SpawnedPlugins();
  #file: string | undefined;
  #runner: Promise<PluginProcesses> | undefined;
  /** No start before that, by `performance.now`. */
  #notBeforeMs = -Infinity;
  #closed = false;

  /** `file`: where the helper is, if there is one. */
  constructor(log: Logger, file = ownHelper(HELPER)) {
    this.#log = log;
    this.#file = existsSync(file) ? file : undefined;
  }

  async run(program: PluginProgram, signal: AbortSignal): Promise<PluginExit> {
    return (await unlessAborted(this.ready(), signal)).run(program, signal);
  }

  async newNamespace(): Promise<NewNamespace | undefined> {
    return (await this.ready()).newNamespace();
  }

  /** Starts the helper if it does not run. Never throws. */
  async ready(): Promise<PluginProcesses> {
    if (this.#file === undefined || this.#closed) return this.#slow;
    if (this.#runner === undefined && performance.now() < this.#notBeforeMs) return this.#slow;
    this.#runner ??= this.#start(this.#file);
    return this.#runner;
  }

  close(): void {
    this.#closed = true;
    void this.#runner?.then((runner) => runner.close());
  }

  async #start(file: string): Promise<PluginProcesses> {
    const forget = (): void => {
      this.#runner = undefined;
    };
    try {
      return await PluginRunner.start(file, ({ message: reason }) => {
        forget();
        if (!this.#closed) this.#log.warn('the helper that runs CNI plugins has ended', { reason });
      });
    } catch (error) {
      forget();
      // A busy machine is not always so, and where there is no room for it now, there may be later.
      if (hasCode(error, Code.DEADLINE_EXCEEDED)) this.#notBeforeMs = performance.now() + SLOW_START_PAUSE_MS;
      else if (!hasCode(error, Code.RESOURCE_EXHAUSTED)) this.#file = undefined;
      this.#log.warn('the helper that runs CNI plugins cannot be started', {
        file,
        reason: messageOf(error),
      });
      return this.#slow;
    }
  }
}
