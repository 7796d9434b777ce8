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
  readonly steps: readonly string[] | undefined;
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
    const willDo = !options.dryRun && plan !== undefined && plan.steps.length > 0;
    if (willDo) await plan.carryOut();
    return { survey, steps: plan?.steps, done: willDo };
  } finally {
    engine.close();
  }
}

/** For people. */
export function migrationText(
  { survey, steps, done }: Migration,
  { direction, dryRun }: MigrateOptions,
): string {
  const heir = direction === 'from' ? 'cridock' : 'cri-dockerd';
  const lines = survey.pods.flatMap(({ namespace, name, sandboxId, running, containers, remarks }) => [
    `${namespace}/${name} ${sandboxId.slice(0, 13)} ${running ? 'running' : 'ended'}`,
    ...containers.map((one) => `  ${one.name} ${one.running ? 'running' : 'not running'}, log by ${one.log}`),
    ...remarks.map((remark) => `  remark: ${remark}`),
  ]);
  const remarks = survey.pods.reduce((sum, pod) => sum + pod.remarks.length, 0);
  lines.push(...survey.leftAlone.map((name) => `left alone: ${name}`));
  lines.push(
    `${survey.pods.length} pods go on under ${heir}, ${remarks} remarks, ${survey.leftAlone.length} left alone`,
  );
  if (steps === undefined) {
    lines.push(
      `no systemd unit cri-docker.service: stop the one server, then start ${heir} with the same flags`,
    );
  } else if (steps.length === 0) {
    lines.push(`nothing to switch: the unit does not need a drop-in for ${heir} to serve`);
  } else {
    lines.push(...steps.map((step) => `${done ? 'done' : dryRun ? 'would' : 'not done'}: ${step}`));
  }
  return lines.join('\n');
}
