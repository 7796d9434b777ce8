import type { CriDeps } from '../deps.js';

/** What it takes to tell plugins of pods and containers, and to do what they ask for. */
export type NriDeps = Pick<
  CriDeps,
  'engine' | 'heldLimits' | 'hostPaths' | 'log' | 'mirror' | 'nri' | 'podLocks' | 'podResources' | 'settings'
>;
