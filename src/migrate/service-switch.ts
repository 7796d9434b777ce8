import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../util/cri-error.js';
import { DROP_IN_NAME, dropInFor } from './drop-in.js';

/** cri-dockerd's own packages name the unit so, and kubespray the other way. */
const UNITS = ['cri-docker.service', 'cri-dockerd.service'];
/** A start waits for the old server's calls and for the new one's readiness. */
const SYSTEMCTL_TIMEOUT_MS = 120_000;

/** What would be done, or was. */
export interface SwitchPlan {
  readonly steps: readonly string[];
  /** Does it. Throws an Error when the service does not start; then the old one is back. */
  readonly carryOut: () => Promise<void>;
}

export interface SwitchOptions {
  /** The words that start cridock. */
  readonly program: readonly string[];
  /** /etc/systemd/system, where operators' units are. */
  readonly unitDirectory: string;
}

/**
 * The plan to let cridock serve (`from`), or cri-dockerd again (`to`), by a drop-in of the systemd unit. Undefined where
 * there is no such unit; a plan without steps when nothing is to be done.
 */
export async function planSwitch(
  direction: 'from' | 'to',
  { program, unitDirectory }: SwitchOptions,
): Promise<SwitchPlan | undefined> {
  const found = await findUnit();
  if (found === undefined) return undefined;
  const path = join(unitDirectory, `${found.unit}.d`, DROP_IN_NAME);
  const restart = [`systemctl daemon-reload`, `systemctl restart ${found.unit}`];
  const apply = async (): Promise<void> => {
    await systemctl('daemon-reload');
    await systemctl('restart', found.unit);
  };
  if (direction === 'to') {
    const isOurs = found.text.includes(path);
    return {
      steps: isOurs ? [`remove ${path}`, ...restart] : [],
      carryOut: async () => {
        await rm(path, { force: true });
        await apply();
      },
    };
  }
  const dropIn = dropInFor(found.text, program);
  if (dropIn === undefined) return { steps: [], carryOut: () => Promise.resolve() };
  return {
    steps: [`write ${path}`, ...restart],
    carryOut: async () => {
      await mkdir(join(unitDirectory, `${found.unit}.d`), { recursive: true });
      await writeFile(path, dropIn);
      try {
        await apply();
      } catch (error) {
        await rm(path, { force: true });
        await apply();
        throw new Error(`cridock did not start, and the old service is back: ${messageOf(error)}`, {
          cause: error,
        });
      }
    },
  };
}

async function findUnit(): Promise<{ unit: string; text: string } | undefined> {
  for (const unit of UNITS) {
    try {
      return { unit, text: await systemctl('cat', unit) };
    } catch {
      // no such unit, or no systemd
    }
  }
  return undefined;
}

async function systemctl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('systemctl', args, { timeout: SYSTEMCTL_TIMEOUT_MS });
  return stdout;
}
