import { lstat, stat } from 'node:fs/promises';
import { dirname, normalize } from 'node:path';
import type { Subject } from '../../checkpoint/container-files.js';
import { statusDump } from '../../convert/checkpoint/metadata.js';
import { requireAbsolutePath, requireInteger } from '../../convert/text/validate.js';
import type { EngineInfo } from '../../docker/types.js';
import type { CheckpointContainerRequest__Output } from '../../gen/runtime/v1/CheckpointContainerRequest.js';
import type { CheckpointContainerResponse } from '../../gen/runtime/v1/CheckpointContainerResponse.js';
import type { ContainerRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError, invalidArgument } from '../../util/cri-error.js';
import { isMissing } from '../../util/is-missing.js';
import type { CriDeps } from '../deps.js';
import { runningContainerOrThrow } from '../lookup.js';
import { containerStatusOf } from '../replies/container-messages.js';
import { logModeOf } from './log.js';
import { withinOwnTimeout } from './own-timeout.js';

/** What it takes to take a checkpoint. */
export type CheckpointDeps = Pick<CriDeps, 'heldLimits' | 'mirror' | 'savedStates'>;

/**
 * Writes the state of a running container into an archive at `location`, and lets it go on (CRI: CheckpointContainer). After
 * `timeout` seconds, 0 for none, DEADLINE_EXCEEDED: there is no archive then, and the container runs on. UNIMPLEMENTED where the
 * node has no criu that can be used.
 */
export async function checkpointContainer(
  deps: CheckpointDeps,
  request: CheckpointContainerRequest__Output,
  ctx: CallContext,
): Promise<CheckpointContainerResponse> {
  const seconds = requireInteger('timeout', request.timeout, 0, Number.MAX_SAFE_INTEGER);
  const target = await requireTarget('location', request.location);
  return withinOwnTimeout(seconds, 'the checkpoint took longer', ctx.signal, async (signal) => {
    const container = runningContainerOrThrow(await deps.mirror.current(signal), request.container_id);
    const { info } = await deps.mirror.currentFacts();
    await deps.savedStates.take({ ...subjectOf(deps, container, info), target }, info, signal);
    return {};
  });
}

/** A container that runs, and what its archive tells of it. FAILED_PRECONDITION where its pod is gone. */
export function subjectOf(
  deps: Pick<CriDeps, 'heldLimits' | 'mirror'>,
  container: ContainerRecord,
  { DefaultRuntime: defaultRuntime }: EngineInfo,
): Subject {
  const sandbox = deps.mirror.lastKnown.sandboxes.get(container.sandboxId);
  if (sandbox === undefined) {
    throw new CriError(
      Code.FAILED_PRECONDITION,
      `container_id: container ${container.id} has no pod sandbox`,
    );
  }
  const { id, name, metadata, labels, image, createdAtNs } = container;
  return {
    container,
    status: statusDump(containerStatusOf(deps, container)),
    logPath: logModeOf(container) === 'cri' ? labels.logPath : '',
    facts: {
      id,
      name,
      containerName: metadata.name,
      pod: { id: sandbox.id, ...sandbox.identity },
      annotations: labels.annotations,
      image,
      runtime: container.inspect.HostConfig.Runtime ?? defaultRuntime,
      createdAt: new Date(Number(createdAtNs / 1_000_000n)),
      checkpointedAt: new Date(),
      isRestored: false,
    },
  };
}

/** A path that a file can be put at. INVALID_ARGUMENT for any other. */
async function requireTarget(field: string, path: string): Promise<string> {
  requireAbsolutePath(field, path);
  if (normalize(path) !== path || path.endsWith('/'))
    throw invalidArgument(field, 'must be the path of a file');
  const folder = dirname(path);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw invalidArgument(field, `${folder} is no folder`);
  try {
    if (!(await lstat(path)).isFile()) throw invalidArgument(field, `${path} is there, and is no file`);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return path;
}
