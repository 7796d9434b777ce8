import type { EventStreamOptions } from '../../src/docker/engine.js';
import { abortError } from '../../src/docker/errors.js';
import type { ContainerInspect, EngineEvent } from '../../src/docker/types.js';
import { hasLabels } from './fake-container.js';

interface Subscriber extends EventStreamOptions {
  end: () => void;
}

/** The event stream of a `FakeEngine`. */
export class FakeEvents {
  readonly #subscribers = new Set<Subscriber>();
  #lastTimeNano = 0n;

  /** As `Engine.followEvents`. */
  async follow(options: EventStreamOptions): Promise<void> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#subscribers.delete(subscriber);
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        leave();
        reject(abortError(signal?.reason));
      };
      const end = () => {
        leave();
        resolve();
      };
      const subscriber = { ...options, end };
      signal?.addEventListener('abort', onAbort);
      this.#subscribers.add(subscriber);
      options.onOpen();
    });
  }

  /** Ends all streams, as an Engine does that goes down. */
  end(): void {
    for (const subscriber of [...this.#subscribers]) subscriber.end();
  }

  /** From now on the streams that are open bring nothing, and do not end. */
  silence(): void {
    this.#subscribers.clear();
  }

  emit(
    action: string,
    container: Pick<ContainerInspect, 'Id' | 'Name' | 'Config'>,
    attributes: Record<string, string> = {},
  ): void {
    const { Id: id, Name: name, Config: config } = container;
    this.#send(
      'container',
      action,
      { ID: id, Attributes: { ...config.Labels, ...attributes, image: config.Image, name: name.slice(1) } },
      (labels) => hasLabels(container, labels),
    );
  }

  /** An event of an image, or of the daemon. */
  tell(type: 'image' | 'daemon', action: string, id: string): void {
    this.#send(type, action, { ID: id, Attributes: { name: id } }, (labels) => labels.length === 0);
  }

  #send(
    type: string,
    action: string,
    actor: EngineEvent['Actor'],
    hasAll: (labels: string[]) => boolean,
  ): void {
    const clock = BigInt(Date.now()) * 1_000_000n;
    this.#lastTimeNano = clock > this.#lastTimeNano ? clock : this.#lastTimeNano + 1n;
    const event: EngineEvent = { Type: type, Action: action, Actor: actor, timeNano: this.#lastTimeNano };
    for (const { filters, onEvent } of [...this.#subscribers]) {
      const wanted =
        (filters['type']?.includes(type) ?? true) &&
        (filters['event']?.includes(action) ?? true) &&
        hasAll(filters['label'] ?? []);
      if (wanted) onEvent(structuredClone(event));
    }
  }
}
