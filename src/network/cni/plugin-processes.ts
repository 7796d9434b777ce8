import type { NewNamespace } from '../network.js';

/** A program to run with an environment that is all it gets, and what to write to its standard input. */
export interface PluginProgram {
  /** Absolute. */
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
}

/** How a plugin ended, and what it printed: of stderr the last 64 KiB. */
export interface PluginExit {
  /** Null for one that a signal ended. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It was killed as it printed more than a plugin may. */
  readonly printedTooMuch: boolean;
}

/** Runs plugins, each in a session and process group of its own. */
export interface PluginProcesses {
  /**
   * Resolves when the plugin has ended and nobody holds its output open. When the signal aborts its group is killed, and it
   * is waited for a moment: the answer is of no use then.
   *
   * @throws Error with a system's code, such as ETXTBSY, when it cannot be started; CriError RESOURCE_EXHAUSTED when there
   * is no room for it; CriError UNAVAILABLE when what ran it is gone; the signal's reason when it aborts before there is what runs it
   */
  run(program: PluginProgram, signal: AbortSignal): Promise<PluginExit>;
  /** A network namespace with its loopback interface up; undefined where none can be made. */
  newNamespace(): Promise<NewNamespace | undefined>;
  /** Ends what was started to run plugins; plugins that run, run on. */
  close(): void;
}

export const MAX_STDOUT_BYTES = 1 << 20;
export const MAX_STDERR_BYTES = 64 << 10;
/** How long a killed plugin is waited for; longer only when the kernel holds it. */
export const REAP_MS = 2000;
