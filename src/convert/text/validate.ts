import { Code, CriError, invalidArgument } from '../../util/cri-error.js';
import type { ContainerConfig__Output } from '../../gen/runtime/v1/ContainerConfig.js';
import type { ContainerMetadata__Output } from '../../gen/runtime/v1/ContainerMetadata.js';
import type { ImageSpec__Output } from '../../gen/runtime/v1/ImageSpec.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';
import type { PodSandboxMetadata__Output } from '../../gen/runtime/v1/PodSandboxMetadata.js';

/** No id, name or image reference of the CRI comes near this. */
const MAX_SHORT_TEXT_BYTES = 1024;

/** The length of the longest path Linux takes, with its final NUL (PATH_MAX). */
const MAX_PATH_BYTES = 4096;

/** UNIMPLEMENTED that names the field which the Engine has no way to honour. */
export function unsupported(field: string, problem: string): CriError {
  return new CriError(Code.UNIMPLEMENTED, `${field}: ${problem}`);
}

/** The message itself; INVALID_ARGUMENT when the request left it out. */
export function requireMessage<T>(field: string, message: T | null | undefined): T {
  if (message === null || message === undefined) throw invalidArgument(field, 'must be set');
  return message;
}

/** A pod sandbox id, container id or image reference of a request: not empty, of a sane size. */
export function requireShortText(field: string, text: string): string {
  if (text === '') throw invalidArgument(field, 'must not be empty');
  checkText(field, text, MAX_SHORT_TEXT_BYTES);
  return text;
}

/** Refuses what neither the kernel nor Docker's JSON can carry as it is: NUL and texts beyond `maxBytes`. */
export function checkText(field: string, text: string, maxBytes: number): void {
  if (text.includes('\0')) throw invalidArgument(field, 'must not hold a NUL character');
  if (Buffer.byteLength(text) > maxBytes) throw invalidArgument(field, `is longer than ${maxBytes} bytes`);
}

/** Refuses paths that are not absolute, too long or hold a NUL. */
export function checkAbsolutePath(field: string, path: string): void {
  checkText(field, path, MAX_PATH_BYTES - 1);
  if (!path.startsWith('/')) throw invalidArgument(field, 'must be an absolute path');
}

/** An absolute path of a request, which must not be empty, by the same rules. */
export function requireAbsolutePath(field: string, path: string): string {
  checkAbsolutePath(field, requireShortText(field, path));
  return path;
}

/** Refuses program arguments that execve could not take. */
export function checkArguments(field: string, args: string[]): void {
  args.forEach((arg, index) => {
    if (arg.includes('\0')) throw invalidArgument(`${field}[${index}]`, 'must not hold a NUL character');
  });
}

/**
 * Refuses a program with a name that no kernel takes. The OCI runtime repeats the whole of it in its complaint and, beyond
 * the 64 KiB of a pipe, waits for ever for a reader: then the container can be removed no more.
 */
export function checkProgram(field: string, program: string | undefined): void {
  if (program !== undefined) checkText(field, program, MAX_PATH_BYTES - 1);
}

/** An int64 of a request (decoded as decimal text) as a number; INVALID_ARGUMENT outside `min` to `max`. */
export function requireInteger(field: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw invalidArgument(field, `must be between ${min} and ${max}`);
  }
  return value;
}

/** The config of RunPodSandbox, with metadata, and for Linux. */
export function requireSandboxConfig(config: PodSandboxConfig__Output | null): {
  config: PodSandboxConfig__Output;
  metadata: PodSandboxMetadata__Output;
} {
  const present = requireMessage('config', config);
  const metadata = requireMessage('config.metadata', present.metadata);
  requireShortText('config.metadata.name', metadata.name);
  if (present.log_directory !== '') checkAbsolutePath('config.log_directory', present.log_directory);
  if (present.windows !== null) {
    throw invalidArgument('config.windows', 'this node runs Linux containers only');
  }
  return { config: present, metadata };
}

/** The config of CreateContainer, with metadata and image, and for Linux. */
export function requireContainerConfig(config: ContainerConfig__Output | null): {
  config: ContainerConfig__Output;
  metadata: ContainerMetadata__Output;
  image: ImageSpec__Output;
} {
  const present = requireMessage('config', config);
  const metadata = requireMessage('config.metadata', present.metadata);
  requireShortText('config.metadata.name', metadata.name);
  const image = requireMessage('config.image', present.image);
  requireShortText('config.image.image', image.image);
  if (present.windows !== null) {
    throw invalidArgument('config.windows', 'this node runs Linux containers only');
  }
  return { config: present, metadata, image };
}
