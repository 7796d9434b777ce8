import { readFile, readlink, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { environmentOf } from './environment.js';
import { execStartOf, splitWords, type ExecStart } from './exec-start.js';
import { systemctl, type Systemctl } from './systemctl.js';
import { dropInsOf, unitText } from './unit-text.js';

/** cri-dockerd's own packages, and ours, name the unit so, and kubespray the other way. */
const UNITS = ['cri-docker.service', 'cri-dockerd.service'];

const PROPERTIES = [
  'Id',
  'LoadState',
  'ActiveState',
  'SubState',
  'UnitFileState',
  'FragmentPath',
  'MainPID',
  'NeedDaemonReload',
  'DropInPaths',
  'Environment',
  'EnvironmentFiles',
  'ActiveEnterTimestamp',
  'NRestarts',
];

/** Which of the two programs it is; `other` for whatever else a unit of these names starts. */
export type Program = 'cridock' | 'cri-dockerd' | 'other';

/** The unit by which CRI is served on this node. */
export interface ServiceUnit {
  /** Such as `cri-docker.service`. */
  readonly name: string;
  /** The file that it is loaded from. */
  readonly path: string;
  /** The unit and its drop-ins as they are on disk, each after a line `# PATH`. */
  readonly text: string;
  readonly execStart: ExecStart | undefined;
  /** What it starts, word by word; empty when nothing. */
  readonly words: readonly string[];
  /** The variables that the unit sets. */
  readonly env: Readonly<Record<string, string>>;
  readonly starts: Program | undefined;
  /** What runs now; undefined when nothing does. */
  readonly runs: Program | undefined;
  readonly isActive: boolean;
  readonly activeState: string;
  /** `enabled`, `disabled`, `static` and so on. */
  readonly fileState: string;
  /** Files changed since systemd read them. */
  readonly needsReload: boolean;
  readonly mainPid: number;
  readonly restarts: number;
}

export interface UnitSources {
  readonly systemctl: Systemctl;
  /** /proc. */
  readonly proc: string;
  /** The words that start this cridock. */
  readonly ownCommand: readonly string[];
}

/** All units of this node that serve CRI, the one first that counts: which runs, else is enabled, else is there. */
export async function findServiceUnits(
  ownCommand: readonly string[],
  { systemctl: run, proc }: Omit<UnitSources, 'ownCommand'> = { systemctl, proc: '/proc' },
): Promise<ServiceUnit[]> {
  const args = PROPERTIES.flatMap((name) => ['-p', name]);
  const shown = await run('show', ...args, ...UNITS).catch(() => '');
  const units: ServiceUnit[] = [];
  for (const block of shown.split('\n\n')) {
    const shownUnit = new Map<string, string>();
    for (const [name, value] of block.split('\n').map((line) => splitOnce(line, '='))) {
      // Of several files of variables each has a line.
      const before = shownUnit.get(name);
      shownUnit.set(name, before === undefined ? value : `${before}\n${value}`);
    }
    if (shownUnit.get('LoadState') !== 'loaded') continue;
    units.push(await describeUnit(shownUnit, { proc, ownCommand }));
  }
  const rank = ({ isActive, activeState, fileState }: ServiceUnit): number =>
    isActive
      ? 0
      : activeState === 'activating' || activeState === 'failed'
        ? 1
        : fileState === 'enabled'
          ? 2
          : 3;
  return units.sort((one, other) => rank(one) - rank(other));
}

async function describeUnit(
  shown: ReadonlyMap<string, string>,
  { proc, ownCommand }: Pick<UnitSources, 'proc' | 'ownCommand'>,
): Promise<ServiceUnit> {
  const property = (name: string): string => shown.get(name) ?? '';
  const name = property('Id');
  const text = await unitText(name, property('FragmentPath'));
  const execStart = execStartOf(text);
  // As `/etc/default/cri-docker (ignore_errors=yes)`.
  const files = property('EnvironmentFiles')
    .split('\n')
    .filter((line) => line !== '');
  const env = await environmentOf(
    [property('Environment')],
    files.map((line) => line.replace(/ \(ignore_errors=\w+\)$/, '')),
  );
  const words = execStart === undefined ? [] : [execStart.program, ...splitWords(execStart.flags, env)];
  const mainPid = Number(property('MainPID'));
  const activeState = property('ActiveState');
  return {
    name,
    path: property('FragmentPath'),
    text,
    execStart,
    words,
    env,
    starts: words.length === 0 ? undefined : await programOf(words, ownCommand),
    runs: mainPid === 0 ? undefined : await runningProgram(proc, mainPid, ownCommand),
    isActive: activeState === 'active' || activeState === 'reloading',
    activeState,
    fileState: property('UnitFileState'),
    needsReload:
      property('NeedDaemonReload') === 'yes' || (await hasOtherDropIns(name, property('DropInPaths'))),
    mainPid,
    restarts: Number(property('NRestarts')) || 0,
  };
}

/** systemd does not see a new folder of drop-ins before it reads its units again. `read` are those that it has read. */
async function hasOtherDropIns(name: string, read: string): Promise<boolean> {
  const plain = (path: string): string => path.replace(/^\/usr\/lib\//, '/lib/');
  const there = (await dropInsOf(name)).map(plain);
  const known = read
    .split(' ')
    .filter((path) => path !== '')
    .map(plain);
  return there.length !== known.length || !there.every((path) => known.includes(path));
}

/** Which program these words start. Ours may be called by its alias, cri-dockerd, which is a link to it. */
export async function programOf(words: readonly string[], ownCommand: readonly string[]): Promise<Program> {
  const [path = ''] = words;
  if (ownCommand.every((word, index) => words[index] === word)) return 'cridock';
  const target = await realpath(path).catch(() => path);
  if (target === ownCommand[0] && ownCommand.length === 1) return 'cridock';
  return nameOf(target);
}

async function runningProgram(proc: string, pid: number, ownCommand: readonly string[]): Promise<Program> {
  const exe = (await readlink(`${proc}/${pid}/exe`).catch(() => '')).replace(/ \(deleted\)$/, '');
  const words = (await readFile(`${proc}/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  if (ownCommand.length > 1 && ownCommand.slice(1).every((word) => words.includes(word))) return 'cridock';
  return exe === ownCommand[0] && ownCommand.length === 1 ? 'cridock' : nameOf(exe);
}

function nameOf(path: string): Program {
  const name = basename(path);
  return name === 'cridock' || name === 'cri-dockerd' ? name : 'other';
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
