import { findCriu } from '../checkpoint/criu.js';
import { ok, type Finding } from './finding.js';

/** Whether checkpoints can be taken, and what is missing where they cannot: nodes do without them. */
export async function checkCheckpoints(path: string): Promise<Finding> {
  const criu = await findCriu(path);
  if (typeof criu === 'string') return ok('checkpoints', `checkpoints of containers are refused: ${criu}`);
  return ok('checkpoints', `checkpoints of containers are taken with criu ${criu.version} of ${criu.folder}`);
}
