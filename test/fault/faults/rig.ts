import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crowd } from './crowd.js';
import { runFault, type FaultOutcome } from './fault-run.js';
import type { FaultKind } from './kinds.js';
import { allInTurn } from '../../support/all-in-turn.js';
import { sourceFile, startOwnEngine, type OwnEngine } from '../../support/own-engine.js';

type EngineKind = 'plain' | NonNullable<FaultKind['engine']>;

/**
 * What fault runs share: Engines of their own, one of a kind, each started when a run first needs it; and
 * the library that is loaded into cridock. `close` ends and removes all of it.
 */
export class Rig {
  readonly #version: string;
  readonly #name: string;
  readonly #crowd: number;
  readonly #engines = new Map<EngineKind, OwnEngine>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'cridock-faults-'));
  readonly #preload = join(this.#folder, 'preload.so');
  /** Why the library could not be made, or undefined. */
  readonly noPreload: string | undefined;

  /** `version` as `startOwnEngine` takes it; `crowd`: how many containers and images of others a crowded Engine has. */
  constructor(version: string, name: string, crowd: number) {
    this.#version = version;
    this.#name = name;
    this.#crowd = crowd;
    this.noPreload = compile(sourceFile('fault/faults/preload.c'), this.#preload);
  }

  /** One run; see `runFault`. */
  async run(kind: FaultKind, seed: number): Promise<FaultOutcome> {
    const preload = this.noPreload === undefined ? this.#preload : undefined;
    return runFault(kind, seed, await this.#engine(kind.engine ?? 'plain'), preload);
  }

  async close(): Promise<void> {
    await allInTurn(...[...this.#engines.values()].map((engine) => () => engine.stop()), () =>
      rmSync(this.#folder, { recursive: true }),
    );
  }

  async #engine(kind: EngineKind): Promise<OwnEngine> {
    let engine = this.#engines.get(kind);
    if (engine === undefined) {
      engine = startOwnEngine(this.#version, `${this.#name}-${kind}`, kind === 'live-restore');
      this.#engines.set(kind, engine);
      if (kind === 'crowded') await crowd(engine.socketPath, this.#crowd);
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
