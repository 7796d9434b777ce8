import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Of the repository: compiled, this file is <root>/<outDir>/test/support/criu.js. */
const SCRIPT = fileURLToPath(new URL('../../../test/support/criu.sh', import.meta.url));

/** The folder of a criu for tests, or why there is none. */
export function testCriu(): { folder: string } | { missing: string } {
  const { status, stdout, stderr } = spawnSync(SCRIPT, { encoding: 'utf8' });
  const [folder = ''] = stdout.trim().split('\n').slice(-1);
  if (status === 0 && folder !== '') return { folder };
  return { missing: `no criu can be had here: ${stderr.trim().split('\n').at(-1) ?? ''}` };
}

/** The environment of a cridock that finds it. */
export function withCriu(folder: string): { PATH: string } {
  return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
}
