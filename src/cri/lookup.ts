import { checkArguments, checkProgram, requireShortText } from '../convert/text/validate.js';
import type { Picture } from '../state/picture.js';
import { isReady, type ContainerRecord, type SandboxRecord } from '../state/records.js';
import { Code, CriError, invalidArgument } from '../util/cri-error.js';

/** The sandbox with this id or unique id prefix. Throws INVALID_ARGUMENT when empty or ambiguous, else NOT_FOUND. */
export function sandboxOrThrow(picture: Picture, id: string, field = 'pod_sandbox_id'): SandboxRecord {
  const sandbox = findSandbox(picture, id, field);
  if (sandbox === undefined) throw new CriError(Code.NOT_FOUND, `${field}: no pod sandbox "${id}"`);
  return sandbox;
}

/** The sandbox with this id or prefix, which must be ready: else FAILED_PRECONDITION. Throws as sandboxOrThrow besides. */
export function readySandboxOrThrow(picture: Picture, id: string): SandboxRecord {
  const sandbox = sandboxOrThrow(picture, id);
  if (isReady(sandbox)) return sandbox;
  throw new CriError(Code.FAILED_PRECONDITION, `pod_sandbox_id: pod sandbox ${sandbox.id} is not ready`);
}

/** As sandboxOrThrow, for RPCs that succeed on unknown ids. */
export function findSandbox(
  picture: Picture,
  id: string,
  field = 'pod_sandbox_id',
): SandboxRecord | undefined {
  return picture.sandboxes.resolve(requireShortText(field, id), field);
}

/** The container with this id or unique id prefix. Throws INVALID_ARGUMENT when empty or ambiguous, else NOT_FOUND. */
export function containerOrThrow(picture: Picture, id: string, field = 'container_id'): ContainerRecord {
  const container = findContainer(picture, id, field);
  if (container === undefined) throw new CriError(Code.NOT_FOUND, `${field}: no container "${id}"`);
  return container;
}

/** The container with this id or prefix, which must run: else FAILED_PRECONDITION. Throws as containerOrThrow besides. */
export function runningContainerOrThrow(
  picture: Picture,
  id: string,
  field = 'container_id',
): ContainerRecord {
  const container = containerOrThrow(picture, id, field);
  if (container.status === 'running') return container;
  throw new CriError(
    Code.FAILED_PRECONDITION,
    `${field}: container ${container.id} is ${container.status}, not running`,
  );
}

/** A command to run in a container. Throws INVALID_ARGUMENT when there is none, or one that no kernel takes. */
export function requireCommand(cmd: string[]): string[] {
  if (cmd.length === 0 || cmd[0] === '') throw invalidArgument('cmd', 'must name a program');
  checkArguments('cmd', cmd);
  checkProgram('cmd[0]', cmd[0]);
  return cmd;
}

/** As containerOrThrow, for RPCs that succeed on unknown ids. */
export function findContainer(
  picture: Picture,
  id: string,
  field = 'container_id',
): ContainerRecord | undefined {
  return picture.containers.resolve(requireShortText(field, id), field);
}
