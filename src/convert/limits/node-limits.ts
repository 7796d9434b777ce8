import type { Resources } from '../../docker/types.js';
import type { HugepageLimit } from '../../gen/runtime/v1/HugepageLimit.js';
import type { CgroupWrite } from './cgroup-writes.js';

/**
 * Limits of a container that cridock sets on the node itself, as Docker has no member for them. They are kept with the
 * container, since Docker's own updates undo some of them.
 */
export interface NodeLimits {
  /** One entry a file, in the order to write them. */
  readonly cgroup: readonly CgroupWrite[];
  /** Set by an update: Docker takes it at creation only. */
  readonly oomScoreAdj?: number | undefined;
}

/** The fact of cridock's own that holds the limits which a container was created with. */
export const NODE_LIMITS = 'node-limits';
export const NO_NODE_LIMITS: NodeLimits = { cgroup: [] };

const HUGE_PAGES = /^hugetlb\.(\w+)\.(?:max|limit_in_bytes)$/;
/** Files that Docker's update of a member sets: what was written to them before holds no more. */
const FILES_OF_MEMBER: Readonly<Partial<Record<keyof Resources, RegExp>>> = {
  CpuPeriod: /^cpu\.max$/,
  CpuQuota: /^cpu\.max$/,
  CpuShares: /^cpu\.weight(\.nice)?$/,
  CpusetCpus: /^cpuset\.cpus$/,
  CpusetMems: /^cpuset\.mems$/,
  Memory: /^memory\.((memsw\.)?limit_in_bytes|max|swap\.max)$/,
};

/** Those facts for a label; none where there are no such limits. */
export function nodeLimitsFact(limits: NodeLimits): Record<string, string> {
  return limits.cgroup.length === 0 ? {} : { [NODE_LIMITS]: JSON.stringify(limits) };
}

/** Reads what `nodeLimitsFact` or a file of cridock's own holds. Throws for any other text. */
export function parseNodeLimits(text: string | undefined): NodeLimits {
  return text === undefined ? NO_NODE_LIMITS : readNodeLimits(JSON.parse(text));
}

/** Checks a decoded JSON value. Throws when it does not hold limits. */
export function readNodeLimits(value: unknown): NodeLimits {
  if (!isObject(value) || !Array.isArray(value['cgroup'])) throw new Error('no list "cgroup"');
  const { cgroup, oomScoreAdj } = value;
  if (oomScoreAdj !== undefined && typeof oomScoreAdj !== 'number') throw new Error('bad "oomScoreAdj"');
  return { cgroup: cgroup.map(readWrite), ...(oomScoreAdj !== undefined && { oomScoreAdj }) };
}

/** The limits after an update of which Docker does `docker` and cridock the rest. */
export function mergeNodeLimits(before: NodeLimits, docker: Resources, change: NodeLimits): NodeLimits {
  const superseded = Object.entries(FILES_OF_MEMBER)
    .filter(([member]) => member in docker)
    .map(([, files]) => files);
  const kept = before.cgroup.filter(({ file }) => !superseded.some((files) => files.test(file)));
  const byFile = new Map([...kept, ...change.cgroup].map((write) => [write.file, write]));
  return { cgroup: [...byFile.values()], oomScoreAdj: change.oomScoreAdj ?? before.oomScoreAdj };
}

/** The huge page limits among them, in CRI's words. */
export function hugePageLimits({ cgroup }: NodeLimits): HugepageLimit[] {
  return cgroup.flatMap(({ file, value }) => {
    const size = HUGE_PAGES.exec(file)?.[1];
    return size === undefined ? [] : [{ page_size: size, limit: value }];
  });
}

/** The raw cgroup v2 keys among them. */
export function rawKeys({ cgroup }: NodeLimits): Record<string, string> {
  return Object.fromEntries(cgroup.filter(({ raw }) => raw === true).map(({ file, value }) => [file, value]));
}

function readWrite(value: unknown): CgroupWrite {
  if (!isObject(value)) throw new Error('an entry of "cgroup" is no object');
  const { file, value: text, required, raw } = value;
  if (typeof file !== 'string' || file.includes('/') || typeof text !== 'string') {
    throw new Error('an entry of "cgroup" has no file or no value');
  }
  return { file, value: text, required: required === true, ...(raw === true && { raw }) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
