/**
 * True for what CNI allows as a container id or a network name (CNI sections 1 and 3). Such a name holds no path
 * separator and is neither `.` nor `..`, so that it is safe in the name of a cache file.
 */
export function isCniName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name);
}

/** True for a plugin's `type`: the name of a file, not a path. */
export function isPluginType(type: string): boolean {
  return type !== '' && type !== '.' && type !== '..' && !/[/\\\0]/.test(type);
}
