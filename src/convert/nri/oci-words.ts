import type { LinuxIOPriority__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxIOPriority.js';
import type { LinuxMemoryPolicy__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxMemoryPolicy.js';
import type { LinuxScheduler__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxScheduler.js';
import type { LinuxSeccomp__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxSeccomp.js';
import { IOPrioClass } from '../../gen/nri/pkg/api/v1alpha1/IOPrioClass.js';
import { LinuxSchedulerFlag } from '../../gen/nri/pkg/api/v1alpha1/LinuxSchedulerFlag.js';
import { LinuxSchedulerPolicy } from '../../gen/nri/pkg/api/v1alpha1/LinuxSchedulerPolicy.js';
import { MpolFlag } from '../../gen/nri/pkg/api/v1alpha1/MpolFlag.js';
import { MpolMode } from '../../gen/nri/pkg/api/v1alpha1/MpolMode.js';
import { invalidArgument } from '../../util/cri-error.js';

/** Members of config.json whose values have names there and numbers in NRI. INVALID_ARGUMENT for a number of nothing. */
export function ioPriority(asked: LinuxIOPriority__Output | null): { ioPriority?: object } {
  if (asked === null || asked.class === IOPrioClass.IOPRIO_CLASS_NONE) return {};
  return {
    ioPriority: { class: nameIn('io_priority.class', IOPrioClass, asked.class), priority: asked.priority },
  };
}

export function scheduler(asked: LinuxScheduler__Output | null): { scheduler?: object } {
  if (asked === null || asked.policy === LinuxSchedulerPolicy.SCHED_NONE) return {};
  const { nice, priority, runtime, deadline, period } = asked;
  return {
    scheduler: {
      policy: nameIn('scheduler.policy', LinuxSchedulerPolicy, asked.policy),
      ...(nice !== 0 && { nice }),
      ...(priority !== 0 && { priority }),
      ...(asked.flags.length > 0 && {
        flags: asked.flags.map((flag) => nameIn('scheduler.flags', LinuxSchedulerFlag, flag)),
      }),
      ...(runtime !== '0' && { runtime: BigInt(runtime) }),
      ...(deadline !== '0' && { deadline: BigInt(deadline) }),
      ...(period !== '0' && { period: BigInt(period) }),
    },
  };
}

export function memoryPolicy(asked: LinuxMemoryPolicy__Output | null): { memoryPolicy?: object } {
  if (asked === null) return {};
  return {
    memoryPolicy: {
      mode: nameIn('memory_policy.mode', MpolMode, asked.mode),
      nodes: asked.nodes,
      flags: asked.flags.map((flag) => nameIn('memory_policy.flags', MpolFlag, flag)),
    },
  };
}

export function seccomp(asked: LinuxSeccomp__Output | null): { seccomp?: object } {
  if (asked === null) return {};
  const { default_errno, architectures, flags, listener_path, listener_metadata } = asked;
  return {
    seccomp: {
      defaultAction: asked.default_action,
      ...(default_errno && { defaultErrnoRet: default_errno.value }),
      ...(architectures.length > 0 && { architectures }),
      ...(flags.length > 0 && { flags }),
      ...(listener_path !== '' && { listenerPath: listener_path }),
      ...(listener_metadata !== '' && { listenerMetadata: listener_metadata }),
      syscalls: asked.syscalls.map(({ names, action, errno_ret, args }) => ({
        names,
        action,
        ...(errno_ret && { errnoRet: errno_ret.value }),
        ...(args.length > 0 && {
          args: args.map(({ index, value, value_two, op }) => {
            return { index, value: BigInt(value), valueTwo: BigInt(value_two), op };
          }),
        }),
      })),
    },
  };
}

function nameIn(field: string, names: Readonly<Record<string, number>>, number: number): string {
  const found = Object.entries(names).find(([, value]) => value === number);
  if (found === undefined) throw invalidArgument(`linux.${field}`, `there is no ${number}`);
  return found[0];
}
