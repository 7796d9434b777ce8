import type { PodSandboxStatusRequest__Output } from '../../gen/runtime/v1/PodSandboxStatusRequest.js';
import type { PodSandboxStatusResponse } from '../../gen/runtime/v1/PodSandboxStatusResponse.js';
import type { SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply } from '../../util/encoded-reply.js';
import { containerStatusOf } from '../replies/container-messages.js';
import type { CriDeps } from '../deps.js';
import { sandboxOrThrow } from '../lookup.js';
import { networkProblem } from './network.js';
import { podResourcesOf } from '../../state/pod-resources.js';
import { sandboxStatusOf } from '../replies/sandbox-messages.js';

/** What it takes to tell a sandbox's status. */
export type SandboxStatusDeps = Pick<
  CriDeps,
  'heldLimits' | 'mirror' | 'network' | 'podResources' | 'statusReplies'
>;

/**
 * The status of a pod sandbox and, for the kubelet's evented PLEG, of all that is in it (CRI: PodSandboxStatus).
 * NOT_FOUND when unknown. Never asks the Engine; a verbose one asks the network's plugins.
 */
export async function podSandboxStatus(
  deps: SandboxStatusDeps,
  request: PodSandboxStatusRequest__Output,
  ctx: CallContext,
): Promise<PodSandboxStatusResponse | EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const sandbox = sandboxOrThrow(picture, request.pod_sandbox_id);
  const members = picture.membersOf(sandbox.id);
  if (!request.verbose) return new EncodedReply(deps.statusReplies.sandbox(sandbox, members));
  return {
    status: sandboxStatusOf(sandbox),
    containers_statuses: members.map((member) => containerStatusOf(deps, member)),
    timestamp: String(BigInt(Date.now()) * 1_000_000n),
    info: { info: JSON.stringify(await verboseInfo(deps, sandbox, ctx.signal)) },
  };
}

/** What `crictl inspectp` shows besides the status. */
async function verboseInfo(
  deps: Pick<CriDeps, 'network' | 'podResources'>,
  sandbox: SandboxRecord,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const { inspect } = sandbox;
  return {
    pid: sandbox.pid,
    netns: sandbox.netnsPath,
    networkProblem: await networkProblem(deps, sandbox, signal),
    image: inspect.Config.Image,
    dockerName: sandbox.name,
    dockerState: inspect.State,
    hostConfig: inspect.HostConfig,
    ...podResourcesOf(deps, sandbox),
  };
}
