import { isPlainRunc, type CompanionAbilities } from '../../companion/examine.js';
import { canMountRecursiveReadOnly, handlerNames } from '../../convert/engine-info.js';
import type { EngineInfo } from '../../docker/types.js';
import type { RuntimeHandler } from '../../gen/runtime/v1/RuntimeHandler.js';

/** What the runtime handlers are made of. */
interface Sources {
  readonly info: EngineInfo;
  /** Whether the Engine passes on what its runtimes tell of their features. */
  readonly tellsFeatures: boolean;
  readonly companion: CompanionAbilities;
}

/** The runtime handlers of Status, kept while the Engine says the same of itself: the reports of its runtimes are long. */
export class RuntimeHandlerList {
  #last: (Sources & { readonly handlers: RuntimeHandler[] }) | undefined;

  /** One handler for each of the Engine's runtimes and '' for its default one. */
  of({ info, tellsFeatures, companion }: Sources): RuntimeHandler[] {
    const last = this.#last;
    if (last?.info === info && last.tellsFeatures === tellsFeatures && last.companion === companion) {
      return last.handlers;
    }
    const handler = (name: string, runtime: string): RuntimeHandler => ({
      name,
      features: {
        recursive_read_only_mounts: tellsFeatures && canMountRecursiveReadOnly(info, runtime),
        user_namespaces: companion.userNamespaces && isPlainRunc(info, name),
      },
    });
    const handlers = [
      handler('', info.DefaultRuntime),
      ...handlerNames(info).map((name) => handler(name, name)),
    ];
    this.#last = { info, tellsFeatures, companion, handlers };
    return handlers;
  }
}
