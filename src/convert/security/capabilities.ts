import type { Capability__Output } from '../../gen/runtime/v1/Capability.js';

/**
 * `HostConfig.CapAdd` and `CapDrop`. What is both added and dropped is dropped, as other runtimes have it; only a drop of
 * ALL leaves those that are added by name. Docker by itself would let the addition win.
 */
export function capabilities(asked: Capability__Output | null): { CapAdd: string[]; CapDrop: string[] } {
  const { add_capabilities: add = [], drop_capabilities: drop = [] } = asked ?? {};
  const dropped = new Set(drop.map(bareName));
  return { CapAdd: add.filter((name) => !dropped.has(bareName(name))), CapDrop: drop };
}

/** Docker takes names in either case, with `CAP_` and without. */
function bareName(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}
