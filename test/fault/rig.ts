import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EngineUnderTest } from './fault-node.js';
import { runFault, type FaultOutcome } from './fault-run.js';
import type { FaultKind } from './faults.js';

/**
 * What fault runs share: Engines of their own, with and without live-restore, each started when a run first needs it; and
 * the library that is loaded into cridock. `close` ends and removes all of it.
 */
export class Rig {
  readonly #version: string;
  readonly #store: string | undefined;
  readonly #name: string;
  readonly #engines = new Map<boolean, EngineUnderTest>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'cridock-faults-'));
  readonly #preload = join(this.#folder, 'preload.so');
  /** Why `preload.so` could not be made, or undefined. */
  readonly noPreload: string | undefined;

  /** `engine`: a version that engine.sh knows, with "+containerd" behind it for that image store. */
  constructor(engine: string, name: string) {
    [this.#version = '', this.#store] = engine.split('+');
    this.#name = name;
    this.noPreload = compile(sourceFile('fault/preload.c'), this.#preload);
  }

  /** One run; see `runFault`. */
  async run(kind: FaultKind, seed: number): Promise<FaultOutcome> {
    const preload = this.noPreload === undefined ? this.#preload : undefined;
    return runFault(kind, seed, this.#engine(kind.liveRestore === true), preload);
  }

  close(): void {
    for (const liveRestore of this.#engines.keys())
      runScript('engine.sh', ['stop', ...this.#arguments(liveRestore)]);
    rmSync(this.#folder, { recursive: true });
  }

  #engine(liveRestore: boolean): EngineUnderTest {
    let engine = this.#engines.get(liveRestore);
    if (engine === undefined) {
      const named = this.#arguments(liveRestore);
      const socketPath = runScript('engine.sh', ['start', ...named]);
      const docker = runScript('engine.sh', ['docker', this.#version]);
      runScript('images.sh', ['load', `unix://${socketPath}`], { DOCKER: docker });
      engine = {
        socketPath,
        restart: async () => {
          await promisify(execFile)(sourceFile('support/engine.sh'), ['restart', ...named]);
        },
      };
      this.#engines.set(liveRestore, engine);
    }
    return engine;
  }

  #arguments(liveRestore: boolean): string[] {
    return [
      this.#version,
      ...['--name', liveRestore ? `${this.#name}-live` : this.#name],
      ...(liveRestore ? ['--live-restore'] : []),
      ...(this.#store === undefined ? [] : ['--containerd-store']),
    ];
  }
}

/** Runs one of the repository's own scripts; what it says goes to stderr. */
function runScript(name: string, args: readonly string[], env: Record<string, string> = {}): string {
  return execFileSync(sourceFile(`support/${name}`), args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  }).trim();
}

/** Compiled, this file is <root>/<outDir>/test/fault/rig.js. */
function sourceFile(path: string): string {
  return fileURLToPath(new URL(`../../../test/${path}`, import.meta.url));
}

function compile(source: string, library: string): string | undefined {
  try {
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `no C compiler for ${source}: ${String(error)}`;
  }
}
