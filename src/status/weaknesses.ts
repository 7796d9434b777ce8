import { numberIn, recordIn, textIn, textsIn, type JsonRecord } from './json.js';

/** The lowest oom_score_adj that the kernel knows: a host that takes it takes all. */
const LOWEST_OOM_SCORE_ADJ = -1000;

/** What pods may ask and do not get here, or not in full, each with its reason; `info` is the verbose Status. */
export function weaknesses(info: JsonRecord): string[] {
  const engine = recordIn(info, 'engine');
  const found: string[] = [];
  const lowest = numberIn(info, 'minOomScoreAdj');
  if (lowest !== undefined && lowest > LOWEST_OOM_SCORE_ADJ) {
    found.push(
      `oom_score_adj below ${lowest} becomes ${lowest}: this host refuses less to cridock (--restrict-oom-score-adj)`,
    );
  }
  if (engine === undefined) return found;
  const options = textsIn(engine, 'securityOptions').map(
    (option) => /^name=([^,]+)/.exec(option)?.[1] ?? option,
  );
  if (!options.includes('seccomp')) found.push('seccomp profiles have no effect: the Engine has no seccomp');
  if (!options.includes('apparmor') && !options.includes('selinux')) {
    found.push('AppArmor and SELinux options have no effect: the Engine has neither');
  }
  if (engine['liveRestore'] !== true) {
    found.push('pods end when the Engine restarts: live-restore is off');
  }
  if (textIn(engine, 'cgroupVersion') === '1') {
    found.push('no memory QoS, pressure figures or swap limits of cgroup v2: the node has cgroup v1');
  }
  return [
    ...found,
    ...textsIn(engine, 'warnings').map((warning) => warning.replace(/^WARNING: /, 'Engine: ')),
  ];
}
