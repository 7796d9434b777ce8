import type { ContainerInspect } from '../../docker/types.js';
import type { Mount } from '../../gen/nri/pkg/api/v1alpha1/Mount.js';

const SAFE = ['nosuid', 'noexec', 'nodev'];

/** What Docker mounts into every container, and what it was asked for, as config.json has it. */
export function nriMounts({ Mounts: mounts, HostConfig: host }: ContainerInspect): Mount[] {
  const access = host.Privileged === true ? 'rw' : 'ro';
  const asked = (mounts ?? []).map(({ Source, Destination, RW, Propagation, Type }) => ({
    destination: Destination,
    type: Type === 'tmpfs' ? 'tmpfs' : 'bind',
    source: Source,
    options: ['rbind', Propagation || 'rprivate', RW ? 'rw' : 'ro'],
  }));
  const targets = new Set(asked.map(({ destination }) => destination));
  const usual: Mount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: SAFE },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...SAFE, access] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [access, ...SAFE] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: SAFE },
  ];
  return [...usual.filter(({ destination = '' }) => !targets.has(destination)), ...asked];
}
