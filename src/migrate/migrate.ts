import type { Config } from '../cli/config.js';
import { DockerodeEngine } from '../docker/dockerode-engine.js';
import { silentLogger } from '../util/log.js';
import { planSwitch, type SwitchOptions } from './service-switch.js';
import { surveyPods, type Survey } from './survey.js';

export interface MigrateOptions extends SwitchOptions {
  /** `from` cri-dockerd to cridock, or back `to` it. */
  readonly direction: 'from' | 'to';
  readonly dryRun: boolean;
}

/** What a migration found and did. */
export interface Migration {
  readonly survey: Survey;
  /** Of the switch of the service; undefined where systemd has no unit for it. */
  readonly unit: string | undefined;
  readonly remarks: readonly string[];
  readonly steps: readonly string[];
  /** Why it cannot be done; undefined when it can, was, or need not be. */
  readonly obstacle: string | undefined;
  readonly done: boolean;
}

/**
 * Looks at the pods, and lets the other program serve them. No pod is touched: both programs keep their records in the
 * same places. Throws when the Engine does not answer, or the service does not start.
 */
export async function migrate(config: Config, options: MigrateOptions): Promise<Migration> {
  const { dockerEndpoint: endpoint, runtimeRequestTimeoutMs: requestTimeoutMs } = config;
  const engine = new DockerodeEngine({ endpoint, env: process.env, log: silentLogger, requestTimeoutMs });
  try {
    await engine.negotiate();
    const survey = await surveyPods(engine, config, options.direction);
    const plan = await planSwitch(options.direction, options);
    if (plan === undefined) {
      const heir = heirOf(options);
      const obstacle = `no systemd unit cri-docker.service or cri-dockerd.service: stop the one server, then start ${heir} with the same flags`;
      return { survey, unit: undefined, remarks: [], steps: [], obstacle, done: false };
    }
    const { unit, remarks, steps, obstacle } = plan;
    const willDo = !options.dryRun && steps.length > 0;
    if (willDo) await plan.carryOut();
    return { survey, unit, remarks, steps, obstacle, done: willDo };
  } finally {
    engine.close();
  }
}

function heirOf({ direction }: Pick<MigrateOptions, 'direction'>): string {
  return direction === 'from' ? 'cridock' : 'cri-dockerd';
}

/** For people. */
export function migrationText(migration: Migration, options: MigrateOptions): string {
  const { survey, unit, remarks, steps, obstacle, done } = migration;
  const heir = heirOf(options);
  const lines = survey.pods.flatMap(({ namespace, name, sandboxId, running, containers, remarks: ofPod }) => [
    `${namespace}/${name} ${sandboxId.slice(0, 13)} ${running ? 'running' : 'ended'}`,
    ...containers.map((one) => `  ${one.name} ${one.running ? 'running' : 'not running'}, log by ${one.log}`),
    ...ofPod.map((remark) => `  remark: ${remark}`),
  ]);
  const count = survey.pods.reduce((sum, pod) => sum + pod.remarks.length, 0);
  lines.push(...survey.leftAlone.map((name) => `left alone: ${name}`));
  lines.push(...survey.unreadable.map((what) => `cannot be read now, and stays as it is: ${what}`));
  lines.push(
    `${survey.pods.length} pods go on under ${heir}, ${count} remarks, ${survey.leftAlone.length} left alone`,
  );
  lines.push(...remarks.map((remark) => `unit: ${remark}`));
  const verb = done ? 'done' : options.dryRun ? 'would' : 'not done';
  lines.push(...steps.map((step) => `${verb}: ${step}`));
  if (obstacle !== undefined) lines.push(`cannot: ${obstacle}`);
  else if (steps.length === 0)
    lines.push(`nothing to switch: ${heir} serves by ${unit ?? 'no unit'} already`);
  return lines.join('\n');
}
