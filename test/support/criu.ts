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
 * Makes, in the folder `slow`, a criu that ends `endsLaterMs` after its work is done, as for a large container. By the file that
 * is answered it tells that its work has begun.
 */
export function slowCriu(folder: string, slow: string, endsLaterMs: number): string {
  const [program, begun] = [join(folder, 'criu'), join(slow, 'begun')];
  const script = [
    '#!/bin/sh',
    `[ "$1" = swrk ] || exec ${program} "$@"`,
    `: >${begun}`,
    `${program} "$@"`,
    'status=$?',
    `sleep ${endsLaterMs / 1000}`,
    'exit $status',
    '',
  ];
  writeFileSync(join(slow, 'criu'), script.join('\n'), { mode: 0o755 });
  return begun;
}

/** The environment of a cridock that finds it. */
export function withCriu(folder: string): { PATH: string } {
  return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
}
