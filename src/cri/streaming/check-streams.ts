import { invalidArgument } from '../../util/cri-error.js';
import type { WantedStreams } from '../../util/stream-request.js';

/** Throws INVALID_ARGUMENT for combinations that the CRI excludes. */
export function checkStreams({ stdin, stdout, stderr, tty }: WantedStreams): void {
  if (!stdin && !stdout && !stderr) {
    throw invalidArgument('stdin, stdout, stderr', 'at least one of them must be set');
  }
  if (tty && stderr) throw invalidArgument('stderr', 'a terminal has no stream of its own for errors');
}
