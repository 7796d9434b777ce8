/** True for what the file system says of a file, or of a folder above it, that is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** As isMissing; true also where there is something else: a link that is not to be followed, a file for a folder, a socket. */
export function isMissingOrOther(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(String(error.code));
}
