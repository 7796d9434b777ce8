import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  Config: string;
  Layers: string[];
}

/**
 * Gives the Engine an image `name` with the files of `base` and so many layers in all: each of those that are added has a file
 * `/layer-<its number>`. `folder` is empty, and the caller's to remove; `docker` the words of a command.
 */
export function loadManyLayers(
  docker: readonly string[],
  base: string,
  name: string,
  count: number,
  folder: string,
) {
  const [program = 'docker', ...words] = docker;
  const run = (...more: string[]) => execFileSync(program, [...words, ...more], { maxBuffer: 2 ** 30 });
  execFileSync('tar', ['-x', '-C', folder], { input: run('save', base) });
  const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const [manifest] = read('manifest.json') as [Manifest];
  const config = read(manifest.Config) as { rootfs: { diff_ids: string[] }; history?: unknown };
  for (let number = manifest.Layers.length; number < count; number += 1) {
    const content = join(folder, 'content');
    mkdirSync(content);
    writeFileSync(join(content, `layer-${number}`), '');
    execFileSync('tar', [
      '-c',
      '-f',
      join(folder, `${number}.tar`),
      '--owner=0',
      '--group=0',
      '-C',
      content,
      '.',
    ]);
    rmSync(content, { recursive: true });
    const digest = createHash('sha256')
      .update(readFileSync(join(folder, `${number}.tar`)))
      .digest('hex');
    manifest.Layers.push(`${number}.tar`);
    config.rootfs.diff_ids.push(`sha256:${digest}`);
  }
  delete config.history;
  // Docker's own form alone: an OCI index beside it would tell of the image as it was.
  rmSync(join(folder, 'index.json'), { force: true });
  rmSync(join(folder, 'oci-layout'), { force: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify([{ ...manifest, Config: 'config.json', RepoTags: [name] }]),
  );
  execFileSync('tar', ['-c', '-f', join(folder, 'all.tar'), '--exclude=all.tar', '-C', folder, '.']);
  run('load', '-i', join(folder, 'all.tar'));
}
