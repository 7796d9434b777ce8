import { posix } from 'node:path';
import { invalidArgument } from '../../util/cri-error.js';
import { checkAbsolutePath, checkText } from '../text/validate.js';

const MAX_LOG_PATH_BYTES = 4095;

/**
 * The absolute path of a container's log: the sandbox's `log_directory` and the container's `log_path`, or '' when
 * either is empty, which means "no log". INVALID_ARGUMENT for a path that would leave the directory.
 */
export function containerLogPath(logDirectory: string, logPath: string): string {
  checkText('config.log_path', logPath, MAX_LOG_PATH_BYTES);
  if (logPath.startsWith('/')) {
    throw invalidArgument('config.log_path', 'must be relative to the log directory of the pod');
  }
  if (logPath.split('/').includes('..')) throw invalidArgument('config.log_path', 'must not hold ".."');
  if (logDirectory === '' || logPath === '') return '';

  checkAbsolutePath('sandbox_config.log_directory', logDirectory);
  const joined = posix.join(logDirectory, logPath);
  if (joined.endsWith('/') || joined === posix.normalize(logDirectory)) {
    throw invalidArgument('config.log_path', 'must name a file');
  }
  return joined;
}
