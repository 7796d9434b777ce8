import type { Container } from '../../gen/nri/pkg/api/v1alpha1/Container.js';
import type { ContainerAdjustment } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import type { LinuxResources } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';
import { splitRemoval } from './named-entries.js';

/** The container as the next plugin sees it: with what those before it want it to have. */
export function adjustedView(container: Container, adjust: ContainerAdjustment): Container {
  const { linux: before = {} } = container;
  const { linux } = adjust;
  return {
    ...container,
    annotations: withNamed(container.annotations, adjust.annotations),
    args: adjust.args?.length ? adjust.args : (container.args ?? []),
    env: withEntries(container.env, adjust.env, nameOfVariable, ({ key = '' }) => key).map(asVariable),
    mounts: withEntries(container.mounts, adjust.mounts, destinationOf, destinationOf),
    hooks: { ...container.hooks, ...adjust.hooks },
    rlimits: [...(container.rlimits ?? []), ...(adjust.rlimits ?? [])],
    linux: {
      ...before,
      devices: withEntries(before?.devices, linux?.devices, pathOf, pathOf),
      namespaces: withEntries(before?.namespaces, linux?.namespaces, typeOf, typeOf),
      sysctl: withNamed(before?.sysctl, linux?.sysctl),
      net_devices: withNamed(before?.net_devices, linux?.net_devices),
      resources: withResources(before?.resources ?? {}, linux?.resources ?? {}),
      ...(linux?.cgroups_path && { cgroups_path: linux.cgroups_path }),
      ...(linux?.oom_score_adj && { oom_score_adj: linux.oom_score_adj }),
      ...(linux?.io_priority && { io_priority: linux.io_priority }),
      ...(linux?.seccomp_policy && { seccomp_policy: linux.seccomp_policy }),
      ...(linux?.scheduler && { scheduler: linux.scheduler }),
      ...(linux?.rdt && { rdt: linux.rdt }),
    },
  };
}

const destinationOf = ({ destination = '' }: { destination?: string }): string => destination;
const pathOf = ({ path = '' }: { path?: string }): string => path;
const typeOf = ({ type = '' }: { type?: string }): string => type;

function nameOfVariable(variable: string): string {
  return variable.split('=', 1)[0] ?? '';
}

function asVariable(variable: string | { key?: string; value?: string }): string {
  return typeof variable === 'string' ? variable : `${variable.key ?? ''}=${variable.value ?? ''}`;
}

function withEntries<Before, Asked>(
  before: readonly Before[] = [],
  asked: readonly Asked[] = [],
  nameBefore: (entry: Before) => string,
  nameAsked: (entry: Asked) => string,
): (Before | Asked)[] {
  const names = new Set(asked.map((entry) => splitRemoval(nameAsked(entry)).name));
  return [
    ...before.filter((entry) => !names.has(nameBefore(entry))),
    ...asked.filter((entry) => !splitRemoval(nameAsked(entry)).isRemoval),
  ];
}

function withNamed<Entry>(
  before: Readonly<Record<string, Entry>> = {},
  asked: Readonly<Record<string, Entry>> = {},
): Record<string, Entry> {
  const entries = withEntries(
    Object.entries(before),
    Object.entries(asked),
    ([name]) => name,
    ([name]) => name,
  );
  return Object.fromEntries(entries);
}

function withResources(before: LinuxResources, asked: LinuxResources): LinuxResources {
  const sizeOf = ({ page_size: size = '' }: { page_size?: string }): string => size;
  return {
    ...before,
    ...asked,
    cpu: { ...before.cpu, ...asked.cpu },
    memory: { ...before.memory, ...asked.memory },
    hugepage_limits: withEntries(before.hugepage_limits, asked.hugepage_limits, sizeOf, sizeOf),
    unified: { ...before.unified, ...asked.unified },
  };
}
