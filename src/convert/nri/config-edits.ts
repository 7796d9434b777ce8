import type { OciDeviceRule, OciHooks, OciRlimit } from '../companion/oci-config.js';
import type { OciEdits } from '../companion/oci-edits.js';
import type { ContainerAdjustment__Output } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import type { LinuxContainerAdjustment__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxContainerAdjustment.js';
import type { LinuxDevice__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxDevice.js';
import type { LinuxRdt__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxRdt.js';
import type { LinuxResources__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';
import { ioPriority, memoryPolicy, scheduler, seccomp } from './oci-words.js';

/**
 * What plugins want a container to have, in the words of config.json: all but CDI devices, which specifications explain, and the
 * limits that Docker keeps. `minOomScoreAdj` is the lowest that can be set here.
 */
export function configEdits(adjust: ContainerAdjustment__Output, minOomScoreAdj: number): OciEdits {
  const annotations = split(Object.entries(adjust.annotations), ([name]) => name);
  const env = split(adjust.env, ({ key }) => key);
  const mounts = split(adjust.mounts, ({ destination }) => destination);
  return {
    ...(adjust.args.length > 0 && { args: adjust.args }),
    annotations: Object.fromEntries(annotations.kept),
    removedAnnotations: annotations.removed,
    env: env.kept.map(({ key, value }) => `${key}=${value}`),
    removedEnv: env.removed,
    mounts: mounts.kept,
    removedMounts: mounts.removed,
    hooks: hooksOf(adjust),
    rlimits: adjust.rlimits.map(({ type, soft, hard }): OciRlimit => ({
      type,
      soft: BigInt(soft),
      hard: BigInt(hard),
    })),
    ...(adjust.linux && linuxEdits(adjust.linux, mounts.kept, minOomScoreAdj)),
  };
}

function linuxEdits(
  linux: LinuxContainerAdjustment__Output,
  mounts: readonly { options: readonly string[] }[],
  minOomScoreAdj: number,
): OciEdits {
  const devices = split(linux.devices, ({ path }) => path);
  const sysctl = split(Object.entries(linux.sysctl), ([name]) => name);
  const namespaces = split(linux.namespaces, ({ type }) => type);
  const netDevices = split(Object.entries(linux.net_devices), ([name]) => name);
  const propagation = ['rshared', 'rslave'].find((word) =>
    mounts.some(({ options }) => options.includes(word)),
  );
  const { oom_score_adj: oomScoreAdj, resources } = linux;
  const rdt = rdtOf(linux.rdt, resources?.rdt_class?.value);
  return {
    devices: devices.kept.map(ociDevice),
    removedDevices: devices.removed,
    deviceRules: [...devices.kept.map(ruleOf), ...rulesOf(resources)],
    sysctl: Object.fromEntries(sysctl.kept),
    removedSysctl: sysctl.removed,
    namespaces: namespaces.kept.map(({ type, path }) => ({ type, ...(path !== '' && { path }) })),
    removedNamespaces: namespaces.removed,
    netDevices: Object.fromEntries(netDevices.kept),
    ...(rdt && { intelRdt: rdt }),
    processMembers: {
      ...(oomScoreAdj && { oomScoreAdj: Math.max(Number(oomScoreAdj.value), minOomScoreAdj) }),
      ...ioPriority(linux.io_priority),
      ...scheduler(linux.scheduler),
    },
    linuxMembers: {
      ...(linux.cgroups_path !== '' && { cgroupsPath: linux.cgroups_path }),
      ...(propagation !== undefined && { rootfsPropagation: propagation }),
      ...seccomp(linux.seccomp_policy),
      ...memoryPolicy(linux.memory_policy),
    },
    resourceMembers: resources === null ? {} : limitsAtStart(resources),
  };
}

/** Those that Docker cannot be told afterwards. */
function limitsAtStart({ memory, cpu }: LinuxResources__Output): NonNullable<OciEdits['resourceMembers']> {
  const ofMemory = {
    ...(memory?.kernel && { kernel: BigInt(memory.kernel.value) }),
    ...(memory?.kernel_tcp && { kernelTCP: BigInt(memory.kernel_tcp.value) }),
    ...(memory?.swappiness && { swappiness: BigInt(memory.swappiness.value) }),
    ...(memory?.disable_oom_killer && { disableOOMKiller: memory.disable_oom_killer.value }),
    ...(memory?.use_hierarchy && { useHierarchy: memory.use_hierarchy.value }),
  };
  const ofCpu = {
    ...(cpu?.realtime_runtime && { realtimeRuntime: BigInt(cpu.realtime_runtime.value) }),
    ...(cpu?.realtime_period && { realtimePeriod: BigInt(cpu.realtime_period.value) }),
  };
  return {
    ...(Object.keys(ofMemory).length > 0 && { memory: ofMemory }),
    ...(Object.keys(ofCpu).length > 0 && { cpu: ofCpu }),
  };
}

function ociDevice({ path, type, major, minor, file_mode, uid, gid }: LinuxDevice__Output) {
  return {
    path,
    type,
    major: Number(major),
    minor: Number(minor),
    ...(file_mode && { fileMode: file_mode.value }),
    ...(uid && { uid: uid.value }),
    ...(gid && { gid: gid.value }),
  };
}

/** A device that a container has it may use. */
function ruleOf({ type, major, minor, file_mode: mode }: LinuxDevice__Output): OciDeviceRule {
  const bits = mode?.value ?? 0o666;
  const access = `${(bits & 0o444) === 0 ? '' : 'r'}${(bits & 0o222) === 0 ? '' : 'w'}m`;
  return { allow: true, type, major: Number(major), minor: Number(minor), access };
}

function rulesOf(resources: LinuxResources__Output | null): OciDeviceRule[] {
  return (resources?.devices ?? []).map(({ allow, type, major, minor, access }) => ({
    allow,
    ...(type !== '' && { type }),
    ...(major && { major: Number(major.value) }),
    ...(minor && { minor: Number(minor.value) }),
    access,
  }));
}

function rdtOf(rdt: LinuxRdt__Output | null, className: string | undefined): OciEdits['intelRdt'] {
  const closID = rdt?.clos_id?.value ?? className;
  const asked = {
    ...(closID !== undefined && closID !== '' && { closID }),
    ...(rdt?.schemata && { schemata: rdt.schemata.value }),
    ...(rdt?.enable_monitoring && { enableMonitoring: rdt.enable_monitoring.value }),
  };
  // One with nothing in it would want a node that has RDT.
  return Object.keys(asked).length > 0 ? asked : undefined;
}

function hooksOf({ hooks }: ContainerAdjustment__Output): OciHooks {
  if (hooks === null) return {};
  const { create_runtime, create_container, start_container, prestart, poststart, poststop } = hooks;
  const stages = {
    prestart,
    createRuntime: create_runtime,
    createContainer: create_container,
    startContainer: start_container,
    poststart,
    poststop,
  };
  const oci = Object.entries(stages).map(([stage, list]) => [
    stage,
    list.map(({ path, args, env, timeout }) => ({
      ...{ path, args, env },
      ...(timeout && { timeout: Number(timeout.value) }),
    })),
  ]);
  return Object.fromEntries(oci) as OciHooks;
}

function split<Entry>(
  entries: readonly Entry[],
  nameOf: (entry: Entry) => string,
): { kept: Entry[]; removed: string[] } {
  const isRemoval = (entry: Entry): boolean => nameOf(entry).startsWith('-');
  return {
    kept: entries.filter((entry) => !isRemoval(entry)),
    removed: entries.filter(isRemoval).map((entry) => nameOf(entry).slice(1)),
  };
}
