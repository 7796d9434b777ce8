import type { CDIDevice__Output } from '../../gen/nri/pkg/api/v1alpha1/CDIDevice.js';
import type { ContainerAdjustment } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import type { ContainerAdjustment__Output } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import { Field } from '../../gen/nri/pkg/api/v1alpha1/Field.js';
import type { Field__Output } from '../../gen/nri/pkg/api/v1alpha1/Field.js';
import type { Hook__Output } from '../../gen/nri/pkg/api/v1alpha1/Hook.js';
import type { Hooks__Output } from '../../gen/nri/pkg/api/v1alpha1/Hooks.js';
import type { LinuxContainerAdjustment } from '../../gen/nri/pkg/api/v1alpha1/LinuxContainerAdjustment.js';
import type { LinuxContainerAdjustment__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxContainerAdjustment.js';
import type { LinuxDevice__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxDevice.js';
import type { LinuxNamespace__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxNamespace.js';
import type { LinuxNetDevice__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxNetDevice.js';
import type { LinuxRdt } from '../../gen/nri/pkg/api/v1alpha1/LinuxRdt.js';
import type { LinuxResources } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';
import type { Mount__Output } from '../../gen/nri/pkg/api/v1alpha1/Mount.js';
import type { POSIXRlimit__Output } from '../../gen/nri/pkg/api/v1alpha1/POSIXRlimit.js';
import { NamedEntries, removalOf, type EntryOwners } from './named-entries.js';
import type { Owners } from './owners.js';
import { mergeResources } from './resources.js';

/** Members of `linux` that are set as a whole. */
const WHOLE = [
  ['oom_score_adj', Field.OomScoreAdj],
  ['io_priority', Field.IoPriority],
  ['seccomp_policy', Field.SeccompPolicy],
  ['scheduler', Field.LinuxSched],
  ['memory_policy', Field.MemoryPolicy],
] as const satisfies readonly (readonly [keyof LinuxContainerAdjustment__Output, Field__Output])[];

const HOOKS = [
  'prestart',
  'create_runtime',
  'create_container',
  'start_container',
  'poststart',
  'poststop',
] as const;

/**
 * Puts together what plugins, one after the other, want a new container to have. What one has set no other sets, unless it takes
 * it away before (`-` and its name). The rules are those of containerd/nri.
 */
export class AdjustmentMerge {
  readonly #id: string;
  readonly #owners: Owners;
  readonly #annotations = new NamedEntries<string>();
  readonly #mounts = new NamedEntries<Mount__Output>();
  readonly #env = new NamedEntries<string>();
  readonly #devices = new NamedEntries<LinuxDevice__Output>();
  readonly #sysctl = new NamedEntries<string>();
  readonly #netDevices = new NamedEntries<LinuxNetDevice__Output>();
  readonly #namespaces = new Map<string, LinuxNamespace__Output>();
  readonly #hooks = new Map<keyof Hooks__Output, Hook__Output[]>();
  readonly #rlimits: POSIXRlimit__Output[] = [];
  readonly #cdiDevices: CDIDevice__Output[] = [];
  #args: string[] = [];
  #resources: LinuxResources = {};
  #linux: LinuxContainerAdjustment = {};
  #rdt: LinuxRdt | undefined;

  constructor(container: string, owners: Owners) {
    this.#id = container;
    this.#owners = owners;
  }

  /** Throws FAILED_PRECONDITION where it sets what another plugin has set. */
  add(plugin: string, asked: ContainerAdjustment__Output): void {
    const entries = (field: Field__Output): EntryOwners => this.#entryOwners(plugin, field);
    this.#annotations.merge(Object.entries(asked.annotations), entries(Field.Annotations));
    this.#mounts.merge(
      asked.mounts.map((mount) => [mount.destination, mount]),
      entries(Field.Mounts),
    );
    this.#env.merge(
      asked.env.map(({ key, value }) => [key, value]),
      entries(Field.Env),
    );
    this.#addArgs(plugin, asked.args);
    this.#addHooks(plugin, asked.hooks);
    if (asked.linux !== null) this.#addLinux(plugin, asked.linux);
    for (const limit of asked.rlimits) {
      entries(Field.Rlimits).claim(limit.type);
      this.#rlimits.push(limit);
    }
    for (const device of asked.CDI_devices) {
      entries(Field.CdiDevices).claim(device.name);
      this.#cdiDevices.push(device);
    }
  }

  /** All of it, what is taken away marked as plugins mark it. */
  get merged(): ContainerAdjustment {
    return {
      annotations: markedMap(this.#annotations, ''),
      mounts: this.#mounts.all.map(([name, mount]) => mount ?? { destination: removalOf(name) }),
      env: this.#env.all.map(([key, value]) =>
        value === undefined ? { key: removalOf(key) } : { key, value },
      ),
      ...(this.#hooks.size > 0 && { hooks: Object.fromEntries(this.#hooks) }),
      linux: {
        ...this.#linux,
        resources: this.#resources,
        devices: this.#devices.all.map(([name, device]) => device ?? { path: removalOf(name) }),
        namespaces: [...this.#namespaces.values()],
        sysctl: markedMap(this.#sysctl, ''),
        net_devices: markedMap(this.#netDevices, { name: '' }),
        ...(this.#rdt && { rdt: this.#rdt }),
      },
      rlimits: this.#rlimits,
      CDI_devices: this.#cdiDevices,
      args: this.#args,
    };
  }

  #addLinux(plugin: string, asked: LinuxContainerAdjustment__Output): void {
    const { resources, rdt } = asked;
    this.#devices.merge(
      asked.devices.map((device) => [device.path, device]),
      this.#entryOwners(plugin, Field.Devices),
    );
    this.#sysctl.merge(Object.entries(asked.sysctl), this.#entryOwners(plugin, Field.Sysctl));
    this.#netDevices.merge(
      Object.entries(asked.net_devices),
      this.#entryOwners(plugin, Field.LinuxNetDevices),
    );
    for (const namespace of asked.namespaces) {
      const type = namespace.type.replace(/^-/, '');
      this.#entryOwners(plugin, Field.Namespace).claim(type);
      this.#namespaces.set(type, namespace);
    }
    if (resources !== null) {
      const claim = (field: Field__Output, key?: string): void =>
        this.#owners.claim(this.#id, field, plugin, key);
      this.#resources = mergeResources(this.#resources, resources, claim);
    }
    if (asked.cgroups_path !== '') {
      this.#owners.claim(this.#id, Field.CgroupsPath, plugin);
      this.#linux = { ...this.#linux, cgroups_path: asked.cgroups_path };
    }
    for (const [member, field] of WHOLE) {
      if (asked[member] === null) continue;
      this.#owners.claim(this.#id, field, plugin);
      this.#linux = { ...this.#linux, [member]: asked[member] };
    }
    if (rdt !== null) this.#addRdt(plugin, rdt);
  }

  #addRdt(plugin: string, asked: NonNullable<LinuxContainerAdjustment__Output['rdt']>): void {
    const fields = [
      ['clos_id', Field.RdtClosID],
      ['schemata', Field.RdtSchemata],
      ['enable_monitoring', Field.RdtEnableMonitoring],
    ] as const;
    if (asked.remove) {
      for (const [, field] of fields) this.#owners.release(this.#id, field, plugin);
      this.#rdt = { remove: true };
    }
    for (const [member, field] of fields) {
      if (asked[member] === null) continue;
      this.#owners.claim(this.#id, field, plugin);
      this.#rdt = { ...this.#rdt, [member]: asked[member] };
    }
  }

  #addArgs(plugin: string, asked: readonly string[]): void {
    if (asked.length === 0) return;
    const isReplacing = asked[0] === '';
    if (isReplacing) this.#owners.release(this.#id, Field.Args, plugin);
    this.#owners.claim(this.#id, Field.Args, plugin);
    this.#args = asked.slice(isReplacing ? 1 : 0);
  }

  #addHooks(plugin: string, asked: Hooks__Output | null): void {
    if (asked === null || HOOKS.every((stage) => asked[stage].length === 0)) return;
    for (const stage of HOOKS) {
      if (asked[stage].length > 0)
        this.#hooks.set(stage, [...(this.#hooks.get(stage) ?? []), ...asked[stage]]);
    }
    this.#owners.add(this.#id, Field.OciHooks, plugin);
  }

  #entryOwners(plugin: string, field: Field__Output): EntryOwners {
    return {
      claim: (name) => this.#owners.claim(this.#id, field, plugin, name),
      release: (name) => this.#owners.release(this.#id, field, plugin, name),
    };
  }
}

function markedMap<Entry>(entries: NamedEntries<Entry>, removed: Entry): Record<string, Entry> {
  return Object.fromEntries(
    entries.all.map(([name, entry]) => (entry === undefined ? [removalOf(name), removed] : [name, entry])),
  );
}
