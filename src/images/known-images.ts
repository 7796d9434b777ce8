import type { Engine } from '../docker/engine.js';
import type { ImageInspect } from '../docker/types.js';
import { Code, hasCode } from '../util/cri-error.js';

/** What an id names never changes, but the image's own names may: they are read anew after this time. */
const FRESH_MS = 60_000;
/** More than a node has in use; beyond it the one that was read first is dropped. */
const MOST_IMAGES = 256;

/**
 * Images by their full id, as the kubelet names them when it creates containers: asked of the Engine once a minute
 * instead of once a container.
 */
export class KnownImages {
  readonly #engine: Engine;
  readonly #images = new Map<string, { inspect: ImageInspect; readAtMs: number }>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The image with this full id (`sha256:` and 64 hex digits), or undefined when the Engine has none. */
  async byId(id: string, signal?: AbortSignal): Promise<ImageInspect | undefined> {
    const known = this.#images.get(id);
    if (known !== undefined && Date.now() - known.readAtMs < FRESH_MS) return known.inspect;
    this.forget(id);
    try {
      const inspect = await this.#engine.inspectImage(id, { signal });
      const [oldest] = this.#images.keys();
      if (oldest !== undefined && this.#images.size >= MOST_IMAGES) this.forget(oldest);
      this.#images.set(id, { inspect, readAtMs: Date.now() });
      return inspect;
    } catch (error) {
      if (hasCode(error, Code.NOT_FOUND)) return undefined;
      throw error;
    }
  }

  /** The Engine was found not to have it any more. */
  forget(id: string): void {
    this.#images.delete(id);
  }
}
