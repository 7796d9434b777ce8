import { dockerRequest } from '../../support/docker-request.js';
import { pick, type Random } from '../../support/hostile.js';
import { isRunning } from '../kubelet/pod-actions.js';
import type { FaultNode } from './fault-node.js';

type VictimKind = 'container' | 'sandbox';

/** One of the node's running containers, or one of its sandboxes. */
export function victim(
  node: FaultNode,
  random: Random,
  name: VictimKind = random() < 0.6 ? 'container' : 'sandbox',
): { id: string; name: VictimKind } {
  const parts = node.kubelet.names.map((pod) => node.kubelet.parts(pod));
  const [first, ...others] = parts
    .flatMap(({ sandboxes, containers }) => [
      ...(name === 'container' ? containers.filter(isRunning) : sandboxes),
    ])
    .map(({ id }) => id);
  if (first === undefined) throw new Error(`no ${name} runs`);
  return { id: pick(random, [first, ...others]), name };
}

/** A call of somebody else's. The kubelet's own may have been first: then there is nothing to do or undo. */
export async function engineCall(
  node: FaultNode,
  method: string,
  path: string,
  body?: object,
): Promise<void> {
  const { status, body: answer } = await dockerRequest(
    `unix://${node.engine.socketPath}`,
    method,
    path,
    body,
  );
  if (status < 300 || status === 404 || status === 409 || answer.includes('is not paused')) return;
  throw new Error(`${method} ${path}: ${status} ${answer}`);
}
