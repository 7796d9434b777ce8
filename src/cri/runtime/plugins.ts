import type { RuntimeCondition } from '../../gen/runtime/v1/RuntimeCondition.js';
import type { CriDeps } from '../deps.js';

/** What `crictl info` shows of NRI plugins: those that are told of events, and those that are gone or could not register. */
export function describePlugins({ nri }: Pick<CriDeps, 'nri'>): Record<string, unknown> {
  return {
    problem: nri.problem ?? '',
    plugins: nri.plugins.all.map(({ name, events, failures }) => ({ name, events, failures })),
    lost: nri.plugins.lost.map(({ name, reason, atMs }) => ({
      name,
      reason,
      at: new Date(atMs).toISOString(),
    })),
  };
}

/**
 * Whether NRI plugins do what they have to, for nodes that have any: names those that could not register or have lost their
 * registration by a failure, and are not there now.
 */
export function pluginsReady({ nri }: Pick<CriDeps, 'nri'>): RuntimeCondition[] {
  const present = new Set(nri.plugins.all.map(({ name }) => name));
  const failed = nri.plugins.lost.filter(({ name, hasFailed }) => hasFailed && !present.has(name));
  const failing = nri.plugins.all.filter(({ failures }) => failures.count > 0);
  if (present.size === 0 && failed.length === 0) return [];
  const named = new Map([
    ...failing.map(
      ({ name, failures }) => [name, `it has failed ${failures.count} times: ${failures.last}`] as const,
    ),
    ...failed.toReversed().map(({ name, reason, hasRegistered }) => {
      return [name, `${hasRegistered ? 'it is gone' : 'it could not register'}: ${reason}`] as const;
    }),
  ]);
  const message = [...named].map(([name, text]) => `NRI plugin ${name}: ${text}`).join('; ');
  const isReady = named.size === 0;
  return [{ type: 'PluginsReady', status: isReady, reason: isReady ? '' : 'PluginFailed', message }];
}
