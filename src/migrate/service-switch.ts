import { access, constants, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadConfig } from '../cli/config.js';
import { execStartOf } from '../unit/exec-start.js';
import { findServiceUnits, programOf, type ServiceUnit } from '../unit/service-unit.js';
import { systemctl, type Systemctl } from '../unit/systemctl.js';
import { settingsOfUnit } from '../unit/unit-settings.js';
import { messageOf } from '../util/cri-error.js';
import { DROP_IN_NAME, dropInFor } from './drop-in.js';
import { removeFile } from '../util/remove-file.js';

/** What would be done, or was. */
export interface SwitchPlan {
  /** The unit that serves the node. */
  readonly unit: string;
  /** What the operator should know of it, each in a sentence. */
  readonly remarks: readonly string[];
  /** Why nothing can be done; undefined when it can, or is done already. */
  readonly obstacle: string | undefined;
  readonly steps: readonly string[];
  /** Does it. Throws an Error when the service does not start; then the old one is back. */
  readonly carryOut: () => Promise<void>;
}

export interface SwitchOptions {
  /** The words that start cridock. */
  readonly program: readonly string[];
  /** /etc/systemd/system, where operators' units are. */
  readonly unitDirectory: string;
  /** Resolves when the service of `unit` answers as it should; rejects when it does not. */
  readonly verify: (unit: ServiceUnit) => Promise<void>;
  readonly systemctl?: Systemctl;
}

interface Step {
  readonly text: string;
  readonly take: () => Promise<unknown>;
}

/**
 * The plan to let cridock serve (`from`), or cri-dockerd again (`to`), by a drop-in of the systemd unit. Undefined where
 * there is no such unit; a plan without steps when nothing is to be done. What was cut off half-way is a plan again: each step
 * is judged by what is there, and by what runs.
 */
export async function planSwitch(
  direction: 'from' | 'to',
  options: SwitchOptions,
): Promise<SwitchPlan | undefined> {
  const { program, unitDirectory, systemctl: run = systemctl } = options;
  const units = await findServiceUnits(program, { systemctl: run, proc: '/proc' });
  // Beside a unit of cri-dockerd's that serves the node, the one of our package waits.
  const unit = units[0];
  if (unit === undefined) return undefined;
  const path = join(unitDirectory, `${unit.name}.d`, DROP_IN_NAME);
  const others = units
    .slice(1)
    .filter(({ isActive }) => isActive)
    .map(({ name }) => `${name} runs too: stop and disable it (systemctl disable --now ${name})`);
  return direction === 'from'
    ? planFrom(unit, path, others, options, run)
    : planTo(unit, path, others, options, run);
}

async function planFrom(
  unit: ServiceUnit,
  path: string,
  others: readonly string[],
  { program, verify }: SwitchOptions,
  run: Systemctl,
): Promise<SwitchPlan> {
  const remarks = [...others, ...remarksOn(unit)];
  const restart = restartSteps(unit, run, () => verify(unit));
  const { execStart } = unit;
  if (execStart === undefined) return stuck(unit, remarks, `${unit.name} starts nothing`);
  if (unit.starts === 'cridock') {
    const isDone = unit.isActive && unit.runs === 'cridock' && !unit.needsReload;
    return plan(unit, remarks, isDone ? [] : restart);
  }
  const problem = passing(program) ?? (await problemWithFlags(unit));
  if (problem !== undefined) return stuck(unit, remarks, problem);
  const write: Step = {
    text: `write ${path}: ${program.join(' ')}${execStart.flags}`,
    take: () => writeWhole(path, dropInFor(execStart, program)),
  };
  const steps = [write, ...restart];
  return plan(unit, remarks, steps, async (error) => {
    await removeFile(path);
    await run('daemon-reload');
    await restartUnit(unit, run);
    throw new Error(`cridock did not start, and the old service is back: ${messageOf(error)}`, {
      cause: error,
    });
  });
}

async function planTo(
  unit: ServiceUnit,
  path: string,
  others: readonly string[],
  { program }: SwitchOptions,
  run: Systemctl,
): Promise<SwitchPlan> {
  const isOurs = unit.text.includes(`# ${path}\n`);
  const beneath = execStartOf(withoutFile(unit.text, path));
  const remarks = [...others, ...remarksOn(unit)];
  const old = beneath === undefined ? undefined : await programOf([beneath.program], program);
  if (beneath === undefined || old === 'cridock') {
    const what = `cri-dockerd is not installed here: ${unit.name} (${unit.path}) starts cridock by itself`;
    return stuck(unit, remarks, `${what}; install cri-dockerd's package, which takes cridock's place`);
  }
  if (!(await isExecutable(beneath.program))) {
    const what = `${beneath.program}, which ${unit.path} starts, is not there`;
    return stuck(unit, remarks, `${what}; install cri-dockerd as that file first`);
  }
  const remove: Step = { text: `remove ${path}`, take: () => removeFile(path) };
  const restart = restartSteps(unit, run, () => Promise.resolve());
  if (isOurs) return plan(unit, remarks, [remove, ...restart]);
  const isDone = unit.isActive && unit.runs !== 'cridock' && !unit.needsReload;
  return plan(unit, remarks, isDone ? [] : restart);
}

function restartSteps(unit: ServiceUnit, run: Systemctl, verify: () => Promise<void>): Step[] {
  return [
    { text: 'systemctl daemon-reload', take: () => run('daemon-reload') },
    {
      text: `systemctl restart ${unit.name}`,
      take: async () => {
        await restartUnit(unit, run);
        await verify();
      },
    },
  ];
}

async function restartUnit({ name }: ServiceUnit, run: Systemctl): Promise<void> {
  // A unit that was started too often is not started without this.
  await run('reset-failed', name).catch(() => '');
  await run('restart', name);
}

function plan(
  unit: ServiceUnit,
  remarks: readonly string[],
  steps: readonly Step[],
  onFailure: (error: unknown) => Promise<void> = (error) => Promise.reject(asError(error)),
): SwitchPlan {
  return {
    unit: unit.name,
    remarks,
    obstacle: undefined,
    steps: steps.map(({ text }) => text),
    carryOut: async () => {
      try {
        for (const { take } of steps) await take();
      } catch (error) {
        await onFailure(error);
      }
    },
  };
}

function stuck(unit: ServiceUnit, remarks: readonly string[], obstacle: string): SwitchPlan {
  return { unit: unit.name, remarks, obstacle, steps: [], carryOut: () => Promise.resolve() };
}

/** What dry runs are read for. */
function remarksOn(unit: ServiceUnit): string[] {
  const { name, path, words, activeState, fileState } = unit;
  const remarks = [
    `${name} (${path}, ${fileState || 'not enabled'}, ${activeState}) starts: ${words.join(' ')}`,
  ];
  if (fileState === 'disabled') remarks.push(`${name} is not started at boot: systemctl enable ${name}`);
  return remarks;
}

/** Folders that are empty after the next boot, or at some time. */
const PASSING_FOLDERS = ['/tmp/', '/var/tmp/', '/run/', '/var/run/', '/dev/shm/'];

/** Why the unit should not start cridock from where it is now; undefined when it may. */
function passing(program: readonly string[]): string | undefined {
  const path = program.find((word) => PASSING_FOLDERS.some((folder) => word.startsWith(folder)));
  if (path === undefined) return undefined;
  return `${path} does not stay there: put cridock into /usr/local/bin, and run this again from there`;
}

async function problemWithFlags(unit: ServiceUnit): Promise<string | undefined> {
  const settings = await settingsOfUnit(unit, { flags: new Map(), configFile: undefined }, {});
  if (settings.problem !== undefined)
    return `cridock cannot take the flags of ${unit.name}: ${settings.problem}`;
  try {
    loadConfig(settings.sources);
    return undefined;
  } catch (error) {
    return `cridock cannot take the flags of ${unit.name}: ${messageOf(error)}`;
  }
}

/** What `systemctl cat` prints, without one of its files: each begins with its path as a comment. */
function withoutFile(text: string, path: string): string {
  return text
    .split(/^(?=# \/)/m)
    .filter((part) => !part.startsWith(`# ${path}\n`))
    .join('');
}

/** A reader finds the file whole or not at all, also when this is cut off. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
