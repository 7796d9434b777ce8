import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runFault, type FaultOutcome } from './fault-run.js';
import type { FaultKind } from './faults.js';
import { sourceFile, startOwnEngine, type OwnEngine } from './own-engine.js';

/**
 * What fault runs share: Engines of their own, with and without live-restore, each started when a run first needs it; and
 * the library that is loaded into cridock. `close` ends and removes all of it.
 */
export class Rig {
  readonly #version: string;
  readonly #name: string;
  readonly #engines = new Map<boolean, OwnEngine>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'cridock-faults-'));
  readonly #preload = join(this.#folder, 'preload.so');
  /** Why the library could not be made, or undefined. */
  readonly noPreload: string | undefined;

  /** `version` as `startOwnEngine` takes it. */
  constructor(version: string, name: string) {
    this.#version = version;
    this.#name = name;
    this.noPreload = compile(sourceFile('fault/preload.c'), this.#preload);
  }

  /** One run; see `runFault`. */
  async run(kind: FaultKind, seed: number): Promise<FaultOutcome> {
    const preload = this.noPreload === undefined ? this.#preload : undefined;
    return runFault(kind, seed, this.#engine(kind.liveRestore === true), preload);
  }

  close(): void {
    for (const engine of this.#engines.values()) engine.stop();
    rmSync(this.#folder, { recursive: true });
  }

  #engine(liveRestore: boolean): OwnEngine {
    let engine = this.#engines.get(liveRestore);
    if (engine === undefined) {
      engine = startOwnEngine(this.#version, liveRestore ? `${this.#name}-live` : this.#name, liveRestore);
      this.#engines.set(liveRestore, engine);
    }
    return engine;
  }
}

/** The reason why it could not, or undefined. */
function compile(source: string, library: string): string | undefined {
  try {
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `no C compiler for ${source}: ${String(error)}`;
  }
}
