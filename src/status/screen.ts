import type { NodeStatus } from './collect.js';
import { textIn, textsIn } from './json.js';

/** Colours of a terminal (ECMA-48, select graphic rendition). */
const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
type Style = keyof typeof STYLES;
type Paint = (style: Style, text: string) => string;

const LABEL_WIDTH = 13;
/** Of a long list this many are told, and the number of the others. */
const MAX_LISTED = 5;
/** Of the kinds of calls that failed this many are told, the most frequent. */
const MAX_FAILURES = 3;

/** One screen. `now` is for how long ago something was. */
export function statusScreen(status: NodeStatus, options: { colour: boolean; nowMs: number }): string {
  const paint: Paint = (style, text) => (options.colour ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text);
  const row = (label: string, text: string): string => `${paint('dim', label.padEnd(LABEL_WIDTH))}${text}`;
  const { service, unreachable } = status;
  const lines = [headline(status, paint), '', row('service', serviceText(status, options.nowMs, paint))];
  lines.push(row('endpoint', status.endpoint));
  if (unreachable !== undefined) {
    lines.push('', `${paint('red', '✗')} nobody answers: ${unreachable}`);
    lines.push(
      paint(
        'dim',
        `  cridock doctor says why; journalctl --unit ${service.unit || 'cri-docker'} has the log`,
      ),
    );
    return lines.join('\n');
  }
  lines.push(row('engine', engineText(status)), row('network', networkText(status)));
  lines.push(row('pods', counts(status.pods, paint)), row('containers', counts(status.containers, paint)));
  lines.push(
    row('images', `${status.images ?? 'not known'}`),
    row('sessions', `${status.sessions ?? 'not known'}`),
    row('activity', activityText(status, paint)),
    ...(status.plugins.length > 0 ? [row('plugins', status.plugins.join(', '))] : []),
  );
  lines.push('', paint('bold', 'Conditions'), ...status.conditions.map((one) => conditionLine(one, paint)));
  lines.push(...list('Problems', status.problems, 'red', paint));
  lines.push(...list('Weaker here than pods may ask', status.weaker, 'yellow', paint));
  return lines.join('\n');
}

function headline({ ready, service, unreachable }: NodeStatus, paint: Paint): string {
  const mark = ready ? paint('green', '●') : paint('red', '●');
  const word = unreachable !== undefined ? 'does not answer' : ready ? 'ready' : 'not ready';
  return `${mark} ${paint('bold', service.version || 'cridock')} ${paint(ready ? 'green' : 'red', word)}`;
}

function serviceText({ service }: NodeStatus, nowMs: number, paint: Paint): string {
  const { unit, state, enabled, pid, restarts, since } = service;
  const parts = [unit === '' ? 'no systemd unit' : `${unit} ${state}, ${enabled || 'not enabled'}`];
  if (pid !== undefined) parts.push(`pid ${pid}`);
  if (since !== '')
    parts.push(`since ${since.slice(0, 19).replace('T', ' ')} UTC (${ago(nowMs - Date.parse(since))})`);
  if (restarts !== undefined && restarts > 0) parts.push(paint('yellow', `restarted ${restarts} times`));
  return parts.join(', ');
}

function engineText({ engine }: NodeStatus): string {
  if (engine === undefined) return 'not connected';
  return [
    `Docker ${textIn(engine, 'version')}, API ${textIn(engine, 'apiVersion')}`,
    `${textIn(engine, 'storageDriver')} (${textIn(engine, 'imageStore')})`,
    `cgroup v${textIn(engine, 'cgroupVersion')} by ${textIn(engine, 'cgroupDriver')}`,
    `runtime ${textIn(engine, 'defaultRuntime')}`,
  ].join(', ');
}

function networkText({ network }: NodeStatus): string {
  if (network === undefined) return 'not known';
  if (textIn(network, 'plugin') === 'docker-bridge') return "Docker's bridge, without CNI";
  const name = textIn(network, 'network');
  if (name === '') return `none in ${textIn(network, 'confDir')}`;
  const podCidr = textIn(network, 'podCidr');
  return [
    `${name} (${textsIn(network, 'plugins').join(', ')}), CNI ${textIn(network, 'cniVersion')}`,
    textIn(network, 'configFile'),
    ...(podCidr === '' ? [] : [`pod CIDR ${podCidr}`]),
  ].join(', ');
}

/** As `12 ready, 1 notready`. */
function counts(by: Readonly<Record<string, number>> | undefined, paint: Paint): string {
  if (by === undefined) return 'not known';
  const entries = Object.entries(by).sort(([, one], [, other]) => other - one);
  if (entries.length === 0) return 'none';
  const good = ['ready', 'running'];
  return entries
    .map(([state, count]) => `${paint(good.includes(state) ? 'green' : 'dim', String(count))} ${state}`)
    .join(', ');
}

/** As `1234 calls, 3 failed (2 PullImage UNKNOWN, 1 ExecSync INTERNAL), 83 MiB of memory, 12 s of CPU time`. */
function activityText({ activity }: NodeStatus, paint: Paint): string {
  if (activity === undefined) return 'not known: no metrics are had (--metrics-bind-addr)';
  const { calls, failures, memoryBytes, cpuSeconds, refused } = activity;
  const failed = failures.reduce((sum, { count }) => sum + count, 0);
  const most = failures.slice(0, MAX_FAILURES).map(({ rpc, code, count }) => `${count} ${rpc} ${code}`);
  return [
    `${calls} calls`,
    failed === 0 ? 'none failed' : `${paint('yellow', String(failed))} failed (${most.join(', ')})`,
    ...(refused === 0 ? [] : [`${refused} sessions refused`]),
    ...(memoryBytes === undefined ? [] : [`${Math.round(memoryBytes / 1024 / 1024)} MiB of memory`]),
    ...(cpuSeconds === undefined ? [] : [`${Math.round(cpuSeconds)} s of CPU time`]),
  ].join(', ');
}

function conditionLine(
  { type, isTrue, reason, message }: NodeStatus['conditions'][number],
  paint: Paint,
): string {
  if (isTrue) return `  ${paint('green', '✓')} ${type}`;
  // Objects that cannot be read are named one after the other.
  const parts = message.split('; ');
  const more = parts.length - MAX_LISTED;
  const [first = '', ...others] = [
    ...parts.slice(0, MAX_LISTED),
    ...(more > 0 ? [`and ${more} more (--json has all)`] : []),
  ];
  return [`  ${paint('red', '✗')} ${type}: ${reason}: ${first}`, ...others.map((one) => `      ${one}`)].join(
    '\n',
  );
}

function list(title: string, items: readonly string[], style: Style, paint: Paint): string[] {
  if (items.length === 0) return [];
  const more = items.length - MAX_LISTED;
  return [
    '',
    paint('bold', title),
    ...items.slice(0, MAX_LISTED).map((item) => `  ${paint(style, '!')} ${item}`),
    ...(more > 0 ? [`  and ${more} more (--json has all)`] : []),
  ];
}

/** As `3 days`, `4 h`, `5 min` or `6 s`. */
function ago(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds >= 172_800) return `${Math.floor(seconds / 86_400)} days`;
  if (seconds >= 7_200) return `${Math.floor(seconds / 3_600)} h`;
  return seconds >= 120 ? `${Math.floor(seconds / 60)} min` : `${seconds} s`;
}
