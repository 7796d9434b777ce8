import { readFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Where systemd looks for drop-ins, the ones that win last: systemd.unit(5). */
const FOLDERS: readonly string[] = [
  '/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/usr/local/lib/systemd/system',
  '/run/systemd/system',
  '/etc/systemd/system',
];

/**
 * The unit's file and its drop-ins in the order in which they count, each after a line with its path, as `systemctl cat` prints
 * them: but as they are on disk now, whether systemd has read them or not. Of files that cannot be read nothing is told.
 */
export async function unitText(
  name: string,
  path: string,
  folders: readonly string[] = FOLDERS,
): Promise<string> {
  const paths = [path, ...(await dropInsOf(name, folders))];
  const texts = await Promise.all(
    paths.map(async (one) => {
      const text = await readFile(one, 'utf8').catch(() => undefined);
      return text === undefined ? '' : `# ${one}\n${text.endsWith('\n') ? text : `${text}\n`}`;
    }),
  );
  return texts.join('\n');
}

/** The paths of its drop-ins. By name, whatever their folder; of two of one name the one of the later folder. */
export async function dropInsOf(name: string, folders: readonly string[] = FOLDERS): Promise<string[]> {
  const kind = name.slice(name.lastIndexOf('.') + 1);
  const byName = new Map<string, string>();
  // Those for all units of a kind are the weaker ones.
  for (const folder of [`${kind}.d`, `${name}.d`].flatMap((one) => folders.map((base) => join(base, one)))) {
    for (const file of await readdir(folder).catch(() => [])) {
      if (file.endsWith('.conf')) byName.set(file, join(folder, file));
    }
  }
  return [...byName.values()].sort((one, other) => (basename(one) < basename(other) ? -1 : 1));
}
