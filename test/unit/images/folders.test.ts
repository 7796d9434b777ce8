import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { ImageFolders } from '../../../src/images/folders.js';
import { until } from '../../support/until.js';

/** That of a mount, and what a killed one is waited for. */
const LONGEST_MS = 32_000;

it('an image whose mount hangs is given up: others wait for the same lock', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'image-folders-'));
  const [bin, pid, path] = [join(folder, 'bin'), join(folder, 'pid'), process.env['PATH'] ?? ''];
  await mkdir(bin);
  const script = `#!/bin/sh\necho $$ >${pid}.new; mv ${pid}.new ${pid}; exec sleep 600\n`;
  await writeFile(join(bin, 'mount'), script, { mode: 0o755 });
  process.env['PATH'] = `${bin}:${path}`;
  t.after(async () => {
    process.env['PATH'] = path;
    process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL'); // Node's own clock has not killed it yet
    await rm(folder, { recursive: true });
  });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let outcome: unknown;
  void new ImageFolders(join(folder, 'images'))
    .mount('image', [])
    .catch((error: unknown) => (outcome = error));
  while (!existsSync(pid)) await new Promise(setImmediate);
  t.mock.timers.tick(LONGEST_MS);
  t.mock.timers.reset();
  await until('it to be given up', () => outcome !== undefined);
  assert.match(String(outcome), /mount has not ended within 30000 ms/);
});
