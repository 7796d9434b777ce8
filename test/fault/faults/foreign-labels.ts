import { join } from 'node:path';
import { dockerRequest } from '../../support/docker-request.js';
import { hostileLabels, labelInstruction } from '../../support/hostile-labels.js';
import { makeImage, tagImage } from '../../support/images.js';
import { below, pick } from '../../support/hostile.js';
import { isRunning } from '../kubelet/pod-actions.js';
import type { FaultNode } from './fault-node.js';
import type { FaultKind } from './kinds.js';

const IMAGE = 'busybox:latest';
const HOSTILE = 'cridock.test/hostile-labels:1';
const KEPT = 'cridock.test/kept-busybox:1';
const COMMITTED = 'cridock.test/committed-labels';

/**
 * The image that new containers are made of claims, by its labels, to be all that cridock and cri-dockerd read from labels, and
 * somebody runs it by hand, and a committed container of a pod that leaves. What runs by hand must run on.
 */
export const hostileImageLabels: FaultKind = {
  name: 'image label of every io.* key that cridock or cri-dockerd reads',
  make: (node, random) => {
    const parts = node.kubelet.names.map((name) => node.kubelet.parts(name));
    const sandbox = pick(random, ids(parts.flatMap(({ sandboxes }) => sandboxes)));
    const committed = pick(random, ids(node.kubelet.parts('leaves').containers.filter(isRunning)));
    const isKilled = random() < 0.5;
    const suffix = String(below(random, 1_000_000));
    const byHand: string[] = [];
    return {
      what: isKilled ? 'cridock is killed meanwhile' : 'cridock runs on',
      begin: async () => {
        const socket = node.engine.socketPath;
        const labels = hostileLabels(sandbox, join(node.cridock.directory, 'stolen.log'));
        const instructions = { ...labelInstruction(labels), CMD: '["sleep", "3600"]' };
        await makeImage(socket, HOSTILE, instructions, {});
        await call(node, 'POST', `/commit?container=${committed}&repo=${COMMITTED}&tag=1`);
        const names = [`by-hand-${suffix}`, `k8s_stolen_pod_ns_uid-${suffix}_0`];
        for (const [index, Image] of [HOSTILE, `${COMMITTED}:1`].entries()) {
          const body = { Image, Entrypoint: ['sleep', '3600'], Cmd: [] };
          for (const name of names) byHand.push(await run(node, `${name}${index}`, body));
        }
        await tagImage(socket, IMAGE, [KEPT]);
        await tagImage(socket, HOSTILE, [IMAGE]);
        if (isKilled) {
          await node.cridock.kill9();
          await node.revive('by now');
        }
      },
      end: async () => {
        await tagImage(node.engine.socketPath, KEPT, [IMAGE]);
        for (const id of byHand) {
          const { State } = await node.direct.inspectContainer(id);
          if (!State.Running) throw new Error(`${id}, which somebody ran by hand, was ended`);
        }
        for (const id of byHand) await call(node, 'DELETE', `/containers/${id}?force=true`);
        for (const image of [KEPT, HOSTILE, `${COMMITTED}:1`]) {
          await call(node, 'DELETE', `/images/${image}?force=true`, undefined, 409); // in use: it keeps its id
        }
      },
    };
  },
};

function ids(objects: readonly { id: string }[]): [string, ...string[]] {
  const [first, ...others] = objects.map(({ id }) => id);
  if (first === undefined) throw new Error('nothing runs');
  return [first, ...others];
}

async function run(node: FaultNode, name: string, body: object): Promise<string> {
  const { Id: id } = JSON.parse(await call(node, 'POST', `/containers/create?name=${name}`, body)) as {
    Id: string;
  };
  await call(node, 'POST', `/containers/${id}/start`);
  return id;
}

async function call(
  node: FaultNode,
  method: string,
  path: string,
  body?: object,
  alsoFine?: number,
): Promise<string> {
  const answer = await dockerRequest(`unix://${node.engine.socketPath}`, method, path, body);
  if (answer.status >= 300 && answer.status !== alsoFine)
    throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  return answer.body;
}
