import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/**
 * Makes, in the folder `slow`, a criu whose work ends when it is told to, as for a large container. By the file `begun` it tells that
 * its work has begun; the file `end`, or the end of the folder, ends it.
 */
export function slowCriu(folder: string, slow: string): { begun: string; end: string } {
  const [program, begun, end] = [join(folder, 'criu'), join(slow, 'begun'), join(slow, 'end')];
  const script = [
    '#!/bin/sh',
    `[ "$1" = swrk ] || exec ${program} "$@"`,
    `: >${begun}`,
    `${program} "$@"`,
    'status=$?',
    `while [ -e ${begun} ] && [ ! -e ${end} ]; do sleep 0.05; done`,
    'exit $status',
    '',
  ];
  writeFileSync(join(slow, 'criu'), script.join('\n'), { mode: 0o755 });
  return { begun, end };
}

/** The environment of a cridock that finds it. */
export function withCriu(folder: string): { PATH: string } {
  return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
}
