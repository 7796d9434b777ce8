import { lstat, readdir } from 'node:fs/promises';
import { programOf, writePodManifest } from '../../convert/checkpoint/pod-manifest.js';
import { requireAbsolutePath } from '../../convert/text/validate.js';
import type { CheckpointPodRequest__Output } from '../../gen/runtime/v1/CheckpointPodRequest.js';
import type { CheckpointPodResponse } from '../../gen/runtime/v1/CheckpointPodResponse.js';
import type { Picture } from '../../state/picture.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError, invalidArgument, messageOf } from '../../util/cri-error.js';
import { subjectOf, type CheckpointDeps } from '../container/checkpoint.js';
import { readySandboxOrThrow, runningContainerOrThrow } from '../lookup.js';

/**
 * Freezes containers of a pod, writes the state of each into an empty folder, and lets all go on (CRI: CheckpointPod). Answers when
 * they go on, also with an error, after which the folder is empty; DEADLINE_EXCEEDED when they stood still for minutes. UNIMPLEMENTED
 * where the node has no criu that can be used.
 */
export async function checkpointPod(
  deps: CheckpointDeps,
  request: CheckpointPodRequest__Output,
  ctx: CallContext,
): Promise<CheckpointPodResponse> {
  refuseOptions(request.options);
  const picture = await deps.mirror.current(ctx.signal);
  const sandbox = readySandboxOrThrow(picture, request.pod_sandbox_id);
  const containers = selected(picture, sandbox, request.container_ids);
  const target = await requireEmptyFolder('output_path', request.output_path);
  const { info } = await deps.mirror.currentFacts();
  const subjects = containers.map((container) => subjectOf(deps, container, info));
  const manifest = writePodManifest({
    runtimeHandler: sandbox.facts.runtimeHandler,
    containers: containers.map(({ id, metadata, inspect }) => ({
      name: metadata.name,
      id,
      ...programOf(inspect),
    })),
  });
  await deps.savedStates.takePod({ containers: subjects, manifest, target }, info, ctx.signal);
  return {};
}

/** There are none yet. INVALID_ARGUMENT for any. */
export function refuseOptions(options: Readonly<Record<string, string>>): void {
  const [first] = Object.keys(options);
  if (first !== undefined) throw invalidArgument('options', `"${first.slice(0, 100)}" is not known`);
}

/** Running containers of the sandbox, each once. They must differ in their names: by these a restore tells them apart. */
function selected(picture: Picture, sandbox: SandboxRecord, ids: readonly string[]): ContainerRecord[] {
  const field = 'container_ids';
  if (ids.length === 0) throw invalidArgument(field, 'must not be empty');
  const containers = ids.map((id) => runningContainerOrThrow(picture, id, field));
  if (new Set(containers.map(({ id }) => id)).size < containers.length) {
    throw invalidArgument(field, 'must not name a container twice');
  }
  const stranger = containers.find(({ sandboxId }) => sandboxId !== sandbox.id);
  if (stranger !== undefined) {
    throw invalidArgument(field, `container ${stranger.id} is not of pod sandbox ${sandbox.id}`);
  }
  if (new Set(containers.map(({ metadata }) => metadata.name)).size < containers.length) {
    throw new CriError(Code.FAILED_PRECONDITION, `${field}: two of them have one name`);
  }
  return containers;
}

async function requireEmptyFolder(field: string, path: string): Promise<string> {
  requireAbsolutePath(field, path);
  let names: string[];
  try {
    if (!(await lstat(path)).isDirectory()) throw new Error('it is of another kind');
    names = await readdir(path);
  } catch (error) {
    throw invalidArgument(field, `is no folder: ${messageOf(error)}`, { cause: error });
  }
  if (names.length > 0) throw invalidArgument(field, 'must be an empty folder');
  return path;
}
