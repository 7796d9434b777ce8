import type { CriCaller } from '../client/cri-client.js';
import type { OfService } from '../unit/of-service.js';
import type { ServiceUnit } from '../unit/service-unit.js';
import { messageOf } from '../util/cri-error.js';
import { failure, ok, shellWord, warning, type Finding } from './finding.js';

/** Whether the settings can be used; one finding for each place that holds something wrong. */
export function checkSettings({ problems, unit, sources }: OfService): Finding[] {
  if (problems.length === 0) {
    const files = sources.configFiles.length > 0 ? sources.configFiles.join(' and ') : 'no config file';
    return [ok('settings', `they can be used (${files})`)];
  }
  const restart = `systemctl restart ${unit?.name ?? 'cri-docker.service'}`;
  const byFile = new Map<string, string[]>();
  for (const problem of problems) {
    const file = sources.configFiles.find((path) => problem.includes(path)) ?? '';
    byFile.set(file, [...(byFile.get(file) ?? []), problem]);
  }
  return [...byFile].map(([file, found]) => {
    const remedy =
      file === ''
        ? `systemctl edit --full ${unit?.name ?? 'cri-docker.service'}`
        : `mv ${shellWord(file)} ${shellWord(`${file}.off`)} && ${restart}`;
    return failure('settings', `they cannot be used: ${found.join('; ')}`, remedy);
  });
}

/** The unit of the service: whether it is there, is cridock's, is on, and runs what its files say. */
export function checkUnit({ unit, otherUnits }: OfService, groupExists: boolean): Finding[] {
  if (unit === undefined) {
    return [ok('service', 'systemd has no unit of it here: whoever starts cridock sees to it')];
  }
  const { name } = unit;
  const findings: Finding[] = [];
  const both = isOurSocketPair(unit) ? `${name.replace(/service$/, 'socket')} ${name}` : name;
  if (unit.starts === 'cri-dockerd' || unit.starts === 'other') {
    const message = `${name} (${unit.path}) starts ${unit.words[0] ?? 'nothing'}, not cridock`;
    findings.push(warning('service', message, 'cridock migrate --from cri-dockerd'));
  } else if (!groupExists) {
    const remedy = `groupadd --system docker && systemctl restart ${both}`;
    findings.push(
      failure('group', 'there is no group docker: the socket unit cannot start (216/GROUP)', remedy),
    );
  } else if (!unit.isActive) {
    const remedy = `systemctl enable ${both} && systemctl restart ${both}`;
    findings.push(failure('service', `${name} does not run (it is ${unit.activeState})`, remedy));
  } else if (unit.needsReload || unit.runs !== 'cridock') {
    const message = `${name} runs, but not as its files say now`;
    findings.push(warning('service', message, `systemctl daemon-reload && systemctl restart ${name}`));
  } else if (unit.fileState === 'disabled') {
    findings.push(warning('service', `${name} runs, and is not started at boot`, `systemctl enable ${both}`));
  }
  for (const other of otherUnits.filter(({ isActive }) => isActive)) {
    const message = `${other.name} runs beside ${name}: two servers on one Engine`;
    findings.push(failure('service', message, `systemctl disable --now ${other.name}`));
  }
  return findings.length > 0 ? findings : [ok('service', `${name} runs cridock, and is ${unit.fileState}`)];
}

/** cridock's package and cri-dockerd's have a socket unit beside the service. */
function isOurSocketPair({ text, name }: ServiceUnit): boolean {
  return text.includes(`Requires=${name.replace(/service$/, 'socket')}`);
}

/** Whether the service answers the kubelet's question, and what it says. `known` are checks that have failed already. */
export async function checkAnswers(
  cri: CriCaller,
  path: string,
  known: ReadonlySet<string>,
  unit: string,
): Promise<Finding[]> {
  let conditions: Readonly<Record<string, unknown>>[];
  try {
    const answer = await cri.call('Status', { verbose: false });
    const status = answer['status'] as { conditions?: Readonly<Record<string, unknown>>[] } | undefined;
    conditions = status?.conditions ?? [];
  } catch (error) {
    const message = `nobody answers on ${path}: ${messageOf(error)}`;
    return [failure('cri', message, `systemctl restart ${unit}`)];
  }
  const failing = conditions.filter(({ status }) => status !== true);
  const causes: Readonly<Record<string, string>> = { RuntimeReady: 'engine', NetworkReady: 'cni-config' };
  const news = failing.filter(({ type }) => !known.has(causes[String(type)] ?? ''));
  if (failing.length === 0) return [ok('cri', `cridock answers on ${path}, and pods can be run`)];
  return news.map(({ type, reason, message }) => {
    const level = String(type) in causes ? failure : warning;
    const text = `${String(type)} is false: ${String(reason)}: ${String(message)}`;
    return level('cri', text, `journalctl --unit ${unit} --lines 50 --no-pager`);
  });
}
