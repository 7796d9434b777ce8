import { randomBytes } from 'node:crypto';
import type { ContainerCreateBody, ContainerInspect } from '../../src/docker/types.js';

const NEVER = '0001-01-01T00:00:00Z';

/** What `inspect` tells of a container just created from this body. */
export function fakeContainer(name: string, body: ContainerCreateBody, imageId: string): ContainerInspect {
  const { HostConfig: hostConfig, ...config } = structuredClone(body);
  const id = randomBytes(32).toString('hex');
  return {
    Id: id,
    Name: `/${name}`,
    Created: new Date().toISOString(),
    State: {
      Status: 'created',
      Running: false,
      Paused: false,
      OOMKilled: false,
      Dead: false,
      Pid: 0,
      ExitCode: 0,
      Error: '',
      StartedAt: NEVER,
      FinishedAt: NEVER,
    },
    Image: imageId,
    LogPath: '',
    ResolvConfPath: '',
    Config: { ...config, Hostname: config.Hostname ?? id.slice(0, 12), Labels: config.Labels ?? {} },
    HostConfig: hostConfig,
    Mounts: (hostConfig.Mounts ?? []).map((mount) => ({
      Type: mount.Type,
      Source: mount.Source ?? '',
      Destination: mount.Target,
      Mode: '',
      RW: mount.ReadOnly !== true,
      Propagation: mount.BindOptions?.Propagation ?? 'rprivate',
    })),
    NetworkSettings: { SandboxKey: '', IPAddress: '', Networks: {} },
  };
}

/** True when a container carries each of these labels, given as `key` or `key=value`. */
export function hasLabels(
  { Config: { Labels: labels } }: Pick<ContainerInspect, 'Config'>,
  wanted: string[],
): boolean {
  return wanted.every((text) => {
    const [key = '', ...value] = text.split('=');
    const actual = labels?.[key];
    return actual !== undefined && (value.length === 0 || actual === value.join('='));
  });
}
