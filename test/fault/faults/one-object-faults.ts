import type { EngineRequest, Treatment } from './faulty-engine.js';
import type { FaultKind } from './kinds.js';
import { engineCall, victim } from './victims.js';

const isInspectOf =
  (id: string) =>
  ({ path }: EngineRequest): boolean =>
    path.endsWith(`/containers/${id}/json`);
const isLogOf =
  (id: string) =>
  ({ path }: EngineRequest): boolean =>
    path.includes(`/containers/${id}/logs?`);

/**
 * What concerns one object fails or hangs, from one moment of its life on; the run then holds to it that no other object
 * and no condition of the node is touched.
 */
function oneInspect(name: string, treatment: Treatment): FaultKind {
  return {
    name,
    costsOthersNothing: true,
    make: (node, random) => {
      const { id, name: kind } = victim(node, random);
      const restarts = random() < 0.5;
      return {
        what: `${kind}${restarts ? ', cridock restarted meanwhile' : ''}`,
        culprit: id,
        begin: async () => {
          const its = isInspectOf(id);
          node.proxy.treat = (request) => (its(request) ? treatment : undefined);
          if (restarts) {
            await node.cridock.restart();
            await node.cridock.client.runtime.ListContainers({}); // it waits for the connection
          }
          // An event has it read.
          await engineCall(node, 'POST', `/containers/${id}/update`, {});
        },
        end: () => {
          node.proxy.treat = undefined;
          if (treatment.kind === 'slow') node.proxy.cut();
        },
      };
    },
  };
}

const oneLogDrain: FaultKind = {
  name: 'one log drain takes 20 s',
  costsOthersNothing: true,
  endsContainers: true,
  make: (node, random) => {
    const { id } = victim(node, random, 'container');
    return {
      what: 'a container that is killed',
      culprit: id,
      begin: async () => {
        node.proxy.treat = (request) => (isLogOf(id)(request) ? { kind: 'slow', ms: 20_000 } : undefined);
        await engineCall(node, 'POST', `/containers/${id}/kill`);
      },
      end: () => {
        node.proxy.treat = undefined;
        node.proxy.cut();
      },
    };
  },
};

/** Faults of one object, which are to cost the node and all other objects nothing. */
export const ONE_OBJECT_FAULTS: readonly FaultKind[] = [
  oneInspect('one inspect answers 500 for good', { kind: 'status', status: 500 }),
  oneInspect('one inspect hangs 60 s', { kind: 'slow', ms: 60_000 }),
  oneLogDrain,
];
